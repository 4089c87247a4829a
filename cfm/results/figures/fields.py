"""Density and mean velocity of the learned flow at five times, one row per method."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cfm.config import Config
from cfm.results.figures._flows import at, bare, bounding_box, first_samples, height, row_title, shade, tell_failure
from cfm.results.figures.base import Kind, methods_shown
from cfm.settings import Figure
from cfm.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from matplotlib.quiver import Quiver

_TIMES = (0.0, 0.25, 0.5, 0.75, 1.0)
_WIDTH = 1.9
# Along the longer side: pixels of the density, and cells of the arrows. The share of the points that makes an arrow,
# and the length in cells of a fast one (nine in ten are slower).
_PIXELS, _CELLS, _SHARE, _LENGTH = 120, 13, 0.004, 1.2


class _View(NamedTuple):
    """A flow at one time: its density, and its mean velocity at some places."""

    density: Array
    places: Array
    velocities: Array


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """The samples of the first seed; densities have the scale of their column, arrows that of the figure."""
    from matplotlib import pyplot

    assert dataset is not None
    methods = methods_shown(config, experiment, settings, dataset)
    stored = {name: first_samples(config, experiment, settings, dataset, name) for name in methods}
    states = {name: moving(run) for name, run in stored.items() if "failure" not in run}
    box = bounding_box([x for flow in states.values() for x, _ in flow] or [np.eye(2)], beyond=0.0005, margin=0.07)
    views = {name: [_View(density(x, box), *mean_velocities(x, v, box)) for x, v in states[name]] for name in states}
    densest = [max(view.density.max() for view in column) for column in zip(*views.values(), strict=True)]
    speeds = [np.linalg.norm(view.velocities, axis=1) for flow in views.values() for view in flow]
    fast = float(np.quantile(np.concatenate(speeds), 0.9)) if any(map(np.any, speeds)) else 1.0
    size = (_WIDTH * len(_TIMES), _WIDTH * height(box) * len(methods) + 0.8)
    figure, axes = pyplot.subplots(len(methods), len(_TIMES), figsize=size, squeeze=False)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.05)
    for row, name in zip(axes, methods, strict=True):
        row_title(row[0], config.methods[name].entry.label)
        for column, axis in enumerate(row):
            bare(axis, box)
            if name in views:
                last, arrows = axis, _panel(axis, views[name][column], box, densest[column], fast)
            else:
                tell_failure(axis, str(stored[name]["failure"]))
    for axis, t in zip(axes[0], _TIMES, strict=True):
        axis.set_title(f"t = {t:g}", pad=2)
    if views:
        speed = _round(1.7 * fast)
        place = {"X": 0.97, "Y": 1 - 0.12 / size[1], "coordinates": "figure", "labelpos": "W"}
        last.quiverkey(arrows, U=speed, label=f"speed {speed:g}", **place)
    figure.suptitle(config.datasets[dataset].entry.label, fontsize=11, x=0.01, horizontalalignment="left")
    return figure


def moving(stored: dict[str, Array]) -> list[tuple[Array, Array]]:
    """Points (n, 2) and their velocities (n, 2), differences of the stored points, at the five times."""
    t, x = stored["t"], stored["trajectory"]
    velocity = np.gradient(x, t, axis=0)
    return [(at(time, t, x), at(time, t, velocity)) for time in _TIMES]


def density(x: Array, box: Array) -> Array:
    """A kernel estimate from points (n, 2), in rows from below; the fewer points, the smoother."""
    size = _longer(box) / _PIXELS
    width = 9 * size * len(x) ** (-1 / 6)
    kernels = []
    for (low, high), values in zip(box.T, x.T, strict=True):
        centres = np.linspace(low, high, 2 * round((high - low) / size) + 1)[1::2]
        kernels.append(np.exp(-(((centres[:, None] - values) / width) ** 2) / 2))
    across, upwards = kernels
    estimate: Array = upwards @ across.T / (len(x) * 2 * np.pi * width**2)
    return estimate


def mean_velocities(x: Array, v: Array, box: Array) -> tuple[Array, Array]:
    """Centres (cells, 2) of the cells of a square grid that have enough points, and the mean velocity there."""
    size = _longer(box) / _CELLS
    cells, which, count = np.unique(np.floor((x - box[0]) / size), axis=0, return_inverse=True, return_counts=True)
    mean = np.stack([np.bincount(which, weights=part) for part in v.T], axis=1) / count[:, None]
    enough = count >= max(3, _SHARE * len(x))
    return box[0] + (cells[enough] + 0.5) * size, mean[enough]


def _longer(box: Array) -> float:
    return float((box[1] - box[0]).max())


def _round(most: float) -> float:
    """The largest of ..., 1, 2, 5, 10, ... that is not above."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(power * max(digit for digit in (1, 2, 5) if digit * power <= most))


def _panel(axis: Axes, view: _View, box: Array, densest: float, fast: float) -> Quiver:
    shade(axis, view.density, box, densest)
    scale = fast * _CELLS / (_LENGTH * _longer(box))
    arrows = axis.quiver(
        *view.places.T, *view.velocities.T, angles="xy", scale_units="xy", scale=scale, pivot="mid", width=0.006
    )
    arrows.set(clip_on=False, in_layout=False)  # whose bounds are taken far too wide
    return arrows


FIGURE = Kind(draw, shows="samples", plane=True)
