"""Cells carried to the time that is left out of a time course, against the cells seen there: a panel per method.

Of cells with one coordinate, or with one that varies, it is shown against time.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cfm.artifacts.data import load
from cfm.config import Config
from cfm.datasets.base import Prepared
from cfm.results.figures._flows import bare, bounding_box, first_samples, height, legend, tell_failure
from cfm.results.figures.base import COLOURS, Kind, methods_shown
from cfm.results.labels import dataset_label
from cfm.settings import Figure
from cfm.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_POINTS = 250  # that are followed
_BEYOND = 0.002  # share of the cells that may lie outside on each side
_ALIKE = 4  # ranges of two coordinates, at most so many times each other
_COLUMNS = 3
_WIDTH = 2.5
_CARRIED = "#D55E00"


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """The first two coordinates that vary, first seed."""
    from matplotlib import pyplot

    assert dataset is not None
    methods = methods_shown(config, experiment, settings, dataset)
    data = load(config.layout.data(experiment, dataset))
    shown = shown_coordinates(data)
    clouds = {name: _seen(data, name, shown) for name in data.arrays if name.startswith(("train", "test"))}
    box = bounding_box([*clouds.values()], _BEYOND, margin=0)
    alike = len(shown) > 1 and 1 / _ALIKE < height(box) < _ALIKE  # so that both axes may have one unit
    box = _with_margin(box, alike)
    rows = -(-len(methods) // _COLUMNS)
    size = (_WIDTH * _COLUMNS, (_WIDTH * (height(box) if alike else 1) + 0.35) * rows + 0.5)
    figure, axes = pyplot.subplots(rows, _COLUMNS, figsize=size, squeeze=False)
    figure.set_layout_engine("constrained")
    for axis in axes.flat:
        bare(axis, box)
        axis.set_aspect("equal" if alike else "auto")
    for axis, method in zip(axes.flat, methods, strict=False):
        panel(axis, first_samples(config, experiment, settings, dataset, method), data, clouds, shown)
        axis.set_title(textwrap.fill(config.methods[method].entry.label, 34))
    left_out = len(data.times) < len(data.label_times)
    others, there = ("of other times", "seen at the time left out") if left_out else ("trained on", "cells seen there")
    legend(figure, axes, [f"cells {others}", there, "start", "carried there"])
    title = dataset_label(config, experiment, dataset) + _which(shown)
    figure.suptitle(title, fontsize=11, x=0.01, horizontalalignment="left")
    return figure


def shown_coordinates(data: Prepared) -> list[int]:
    """The first two coordinates that vary over the cells shown; one if no other does, or there is no other."""
    points = np.concatenate([x for name, x in data.arrays.items() if name.startswith(("train", "test"))])
    low, high = np.quantile(points, [_BEYOND, 1 - _BEYOND], axis=0)
    varying: list[int] = np.flatnonzero(low < high).tolist()
    return varying[:2] or [0]


def _with_margin(box: Array, alike: bool) -> Array:
    """A box with a little room on every side, as much on each if both axes have one unit."""
    extent = box[1] - box[0]
    room = 0.05 * (np.full(2, extent.max()) if alike else np.where(extent > 0, extent, 1))
    return np.stack([box[0] - room, box[1] + room])


def _which(shown: list[int]) -> str:
    if len(shown) == 1:
        return f": column {shown[0]} against time" if shown != [0] else ": against time"
    return "" if shown == [0, 1] else f": columns {shown[0]} and {shown[1]}, the first that vary"


def _seen(data: Prepared, name: str, shown: list[int]) -> Array:
    """Cells as points of the plane: two coordinates, or the time and one."""
    split, k = name.rsplit("_", 1)
    time = (data.times if split == "train" else data.span)[int(k)]
    return in_plane(data.arrays[name], shown, np.full(len(data.arrays[name]), time))


def in_plane(points: Array, shown: list[int], times: Array) -> Array:
    """Points (..., dim) as (..., 2): two coordinates, or the times and one."""
    if len(shown) == 2:
        return points[..., shown]
    return np.stack([np.broadcast_to(times, points.shape[:-1]), points[..., shown[0]]], axis=-1)


def panel(
    axis: Axes, stored: Mapping[str, Array], data: Prepared, clouds: Mapping[str, Array], shown: list[int]
) -> None:
    """The cells of all times, and those that are followed with their lines; or why there are none."""
    others = np.concatenate([cells for name, cells in clouds.items() if name.startswith("train")])
    _cloud(axis, others, 2, color=COLOURS["grey"], alpha=0.35, label="others")
    _cloud(axis, clouds["test_1"], 5, color=COLOURS["blue"], alpha=0.6, label="left out")
    if "failure" in stored:
        tell_failure(axis, str(stored["failure"]))
        return
    chosen = np.linspace(0, stored["trajectory"].shape[1] - 1, _POINTS).round().astype(int)
    start, end = data.span
    times = start + (end - start) * stored["t"]
    path = in_plane(stored["trajectory"][:, np.unique(chosen)], shown, times[:, None])
    axis.plot(path[..., 0], path[..., 1], color="black", linewidth=0.3, alpha=0.35)
    _cloud(axis, path[0], 2.5, color="black", label="start", zorder=3)
    _cloud(axis, path[-1], 5, color=_CARRIED, label="carried", zorder=4)


def _cloud(axis: Axes, points: Array, size: float, **style: Any) -> None:
    axis.scatter(points[:, 0], points[:, 1], s=size, linewidths=0, rasterized=True, **style)


FIGURE = Kind(draw, shows="samples", plane=False)
