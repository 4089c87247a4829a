"""What the pictures of flows have in common: the samples at any time, a plain panel, how a failed run looks."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from cfm.artifacts.data import load
from cfm.artifacts.layout import samples_path
from cfm.artifacts.samples import read
from cfm.config import Config
from cfm.files import read_arrays
from cfm.results.figures.base import COLOURS
from cfm.settings import Figure
from cfm.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_TURN = 25  # corners of a round end


def first_samples(config: Config, experiment: str, settings: Figure, dataset: str, method: str) -> dict[str, Array]:
    """The samples of the figure's solver, first seed; of an external method with its end points alone, why not."""
    assert settings.solver is not None
    run = config.layout.run(experiment, dataset, method, config.first_seed(experiment, dataset))
    path = samples_path(run, settings.solver)
    if not config.methods[method].external:
        return read_arrays(path)
    stored, reason = read(path, load(config.layout.data(experiment, dataset)))
    whole = "trajectory" in stored or config.experiments[experiment].solvers[settings.solver].batch is not None
    if reason is None and "failure" not in stored and not whole:
        reason = "the way to its ends is not known"
    return dict(stored) if reason is None else {"failure": np.array(reason)}


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


def shade(axis: Axes, density: Array, box: Array, densest: float) -> None:
    """A density on the cells of a box, in rows from below, white at 0."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("density", ["white", COLOURS["blue"]])
    (left, below), (right, above) = box
    axis.imshow(density, shades, vmin=0, vmax=densest, origin="lower", extent=(left, right, below, above))


def tell_failure(axis: Axes, reason: str, width: int = 26) -> None:
    """The reason in the middle of a panel."""
    axis.text(0.5, 0.5, textwrap.fill(f"failed: {reason}", width), ha="center", va="center", transform=axis.transAxes)


def row_title(axis: Axes, title: str) -> None:
    """A title on the left of a row's first panel, from below to above."""
    axis.text(-0.04, 0.5, title, rotation=90, ha="right", va="center", transform=axis.transAxes)


def legend(figure: Canvas, axes: Array, labels: list[str]) -> None:
    """Below the panels, what has a label in any of them, in new words."""
    found = {old: handle for axis in axes.flat for handle, old in zip(*axis.get_legend_handles_labels(), strict=True)}
    texts = labels[: len(found)]
    figure.legend([*found.values()], texts, loc="outside lower center", ncols=5, frameon=False, markerscale=3)


def outline(line: Array, width: Array) -> Array:
    """The outline of the discs around the points of a line (times, 2), of radius `width` (times,)."""
    along, growth = np.gradient(line, axis=0), np.gradient(width)
    speed, angle = np.hypot(*along.T), np.arctan2(along[:, 1], along[:, 0])
    seen = np.flatnonzero(abs(growth) < speed)  # the others lie inside of their neighbours
    if not len(seen):
        seen = np.array([width.argmax()])
    line, width, angle = line[seen], width[seen], angle[seen]
    # Where a disc touches the outline, seen from its centre: the farther in front the faster it shrinks.
    touch = np.arccos(np.clip(-growth[seen] / np.maximum(speed[seen], 1e-9), -1, 1))
    front = angle[-1] + np.linspace(touch[-1], -touch[-1], _TURN)
    back = angle[0] + np.linspace(-touch[0], touch[0] - 2 * np.pi, _TURN)
    turns = np.concatenate([angle + touch, front, (angle - touch)[::-1], back])
    order = np.arange(len(seen))
    discs = np.concatenate([order, order[-1:].repeat(_TURN), order[::-1], order[:1].repeat(_TURN)])
    return line[discs] + width[discs, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
