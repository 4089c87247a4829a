"""What the pictures of flows have in common: the samples at any time, a plain panel, how a failed run looks."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cfm.config import Config
from cfm.resume import read_arrays
from cfm.settings import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[Any]


def first_samples(config: Config, experiment: str, settings: Figure, dataset: str, method: str) -> dict[str, Array]:
    """The samples of the figure's solver, first seed."""
    assert settings.solver is not None
    run = config.layout.run(experiment, dataset, method, config.experiments[experiment].seeds[0])
    return read_arrays(config.layout.samples(run, settings.solver))


def at(t: float, times: Array, values: Array) -> Array:
    """Values (times, ...) at any time, interpolated linearly between those that are stored."""
    after = int(np.clip(np.searchsorted(times, t), 1, len(times) - 1))
    weight = (t - times[after - 1]) / (times[after] - times[after - 1])
    between: Array = (1 - weight) * values[after - 1] + weight * values[after]
    return between


def bounding_box(clouds: list[Array], beyond: float = 0.0, margin: float = 0.03) -> Array:
    """The corners (left, bottom), (right, top) of points (..., 2), but for a share on every side, with a margin."""
    points = np.concatenate([cloud.reshape(-1, 2) for cloud in clouds])
    low, high = np.quantile(points, [beyond, 1 - beyond], axis=0)
    around = margin * (high - low).max()
    return np.stack([low - around, high + around])


def height(box: Array) -> float:
    """Of a box as wide as one."""
    width, tall = box[1] - box[0]
    return float(tall / width)


def bare(axis: Axes, box: Array) -> None:
    """Equal units in a box, without frame and ticks."""
    axis.set(aspect="equal", xlim=box[:, 0], ylim=box[:, 1])
    axis.set_axis_off()


def tell_failure(axis: Axes, reason: str, width: int = 26) -> None:
    """The reason in the middle of a panel."""
    axis.text(0.5, 0.5, textwrap.fill(f"failed: {reason}", width), ha="center", va="center", transform=axis.transAxes)


def row_title(axis: Axes, title: str) -> None:
    """A title on the left of a row's first panel, from below to above."""
    axis.text(-0.04, 0.5, title, rotation=90, ha="right", va="center", transform=axis.transAxes)
