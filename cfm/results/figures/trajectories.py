"""Trajectories from source to target, one panel per method (after the paper's Fig. 1)."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from cfm.config import Config
from cfm.files import read_arrays
from cfm.results.figures._flows import first_samples
from cfm.results.figures.base import COLOURS, Kind, methods_shown
from cfm.settings import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_POINTS = 400
_COLUMNS = 6


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """Lines of the first test points from t = 0 to 1, first seed."""
    from matplotlib import pyplot

    assert dataset is not None
    methods = methods_shown(config, experiment, settings, dataset)
    target = read_arrays(config.layout.data(experiment, dataset))["test_1"]
    rows = -(-len(methods) // _COLUMNS)
    columns = -(-len(methods) // rows)  # as many in each row
    figure, axes = pyplot.subplots(
        rows,
        columns,
        figsize=(2.3 * columns, 2.65 * rows + 0.5),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    figure.set_layout_engine("constrained", w_pad=0.0)
    for axis in axes.flat[len(methods) :]:
        axis.set_axis_off()
    for axis, method in zip(axes.flat, methods, strict=False):
        panel(axis, first_samples(config, experiment, settings, dataset, method), target)
        axis.set_title(textwrap.fill(config.methods[method].entry.label, 22))
    _legend(figure, axes[0, 0])
    figure.suptitle(config.datasets[dataset].entry.label, fontsize=11, x=0.01, horizontalalignment="left")
    return figure


def panel(axis: Axes, stored: dict[str, np.ndarray], target: np.ndarray) -> None:
    """Target, and the stored trajectory's first points as lines with their ends; or why there is none."""
    axis.set_aspect("equal")
    axis.set_axis_off()
    axis.margins(0.01)
    axis.scatter(
        target[:, 0],
        target[:, 1],
        s=2,
        color=COLOURS["grey"],
        alpha=0.25,
        linewidths=0,
        label="test data",
        rasterized=True,
    )
    if "failure" in stored:
        axis.text(0.5, 0.5, f"failed: {stored['failure']}", ha="center", transform=axis.transAxes, wrap=True)
        return
    path = stored["trajectory"][:, :_POINTS]
    axis.plot(path[..., 0], path[..., 1], color=COLOURS["green"], linewidth=0.4, alpha=0.4, zorder=1)
    axis.scatter(path[0, :, 0], path[0, :, 1], s=2.5, color="black", linewidths=0, zorder=2, label="source, t = 0")
    axis.scatter(
        path[-1, :, 0],
        path[-1, :, 1],
        s=4,
        color=COLOURS["blue"],
        linewidths=0,
        zorder=3,
        label="samples, t = 1",
    )


def _legend(figure: Canvas, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, markerscale=3)


FIGURE = Kind(draw, shows="samples", plane=True)
