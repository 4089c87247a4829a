"""Cells carried to the time that is left out of a time course, against the cells seen there: a panel per method."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from cfm.config import Config
from cfm.files import read_arrays
from cfm.results.figures._flows import bare, bounding_box, first_samples, height, legend, tell_failure
from cfm.results.figures.base import COLOURS, Kind, methods_shown
from cfm.results.labels import dataset_label
from cfm.settings import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_POINTS = 250  # that are followed
_BEYOND = 0.002  # share of the cells that may lie outside on each side
_COLUMNS = 3
_WIDTH = 2.5
_CARRIED = "#D55E00"


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """The first two coordinates, first seed."""
    from matplotlib import pyplot

    assert dataset is not None
    methods = methods_shown(config, experiment, settings, dataset)
    data = {
        name: cells[:, :2]
        for name, cells in read_arrays(config.layout.data(experiment, dataset)).items()
        if name.startswith(("train", "test"))
    }
    box = bounding_box([*data.values()], _BEYOND, margin=0.05)
    rows = -(-len(methods) // _COLUMNS)
    size = (_WIDTH * _COLUMNS, (_WIDTH * height(box) + 0.35) * rows + 0.5)
    figure, axes = pyplot.subplots(rows, _COLUMNS, figsize=size, squeeze=False)
    figure.set_layout_engine("constrained")
    for axis in axes.flat:
        bare(axis, box)
    for axis, method in zip(axes.flat, methods, strict=False):
        panel(axis, first_samples(config, experiment, settings, dataset, method), data)
        axis.set_title(textwrap.fill(config.methods[method].entry.label, 34))
    legend(figure, axes, ["cells of other times", "seen at the time left out", "start", "carried there"])
    figure.suptitle(dataset_label(config, experiment, dataset), fontsize=11, x=0.01, horizontalalignment="left")
    return figure


def panel(axis: Axes, stored: dict[str, np.ndarray], data: dict[str, np.ndarray]) -> None:
    """The cells of all times, and those that are followed with their lines; or why there are none."""
    others = np.concatenate([cells for name, cells in data.items() if name.startswith("train")])
    _cloud(axis, others, 2, color=COLOURS["grey"], alpha=0.35, label="others")
    _cloud(axis, data["test_1"], 5, color=COLOURS["blue"], alpha=0.6, label="left out")
    if "failure" in stored:
        tell_failure(axis, str(stored["failure"]))
        return
    chosen = np.linspace(0, stored["trajectory"].shape[1] - 1, _POINTS).round().astype(int)
    path = stored["trajectory"][:, np.unique(chosen), :2]
    axis.plot(path[..., 0], path[..., 1], color="black", linewidth=0.3, alpha=0.35)
    _cloud(axis, path[0], 2.5, color="black", label="start", zorder=3)
    _cloud(axis, path[-1], 5, color=_CARRIED, label="carried", zorder=4)


def _cloud(axis: Axes, points: np.ndarray, size: float, **style: Any) -> None:
    axis.scatter(points[:, 0], points[:, 1], s=size, linewidths=0, rasterized=True, **style)


FIGURE = Kind(draw, shows="samples", plane=False)
