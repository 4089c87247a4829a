"""Conditional paths of training pairs, and the marginal flow they add up to (after the paper's Fig. 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cfm.config import Config
from cfm.figures.base import COLOURS, methods_shown
from cfm.figures.trajectories import _panel
from cfm.flow_pictures import Array, bare, bounding_box, height, outline, row_title
from cfm.settings import Figure, Solver

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from torch import Tensor

    from cfm.datasets.base import Prepared
    from cfm.paths import Path

SHOWS = "data"
_PAIRS, _TIMES = 25, 101
_BATCHES, _POINTS = 40, 100
_SOLVER = Solver("euler", steps=40)
_WIDTH = 2.2
_LEGEND = ["test data", "start, t = 0", "end, t = 1", r"$\pm\,\sigma_t$", r"mean $\mu_t$ of a pair"]


class _Column(NamedTuple):
    """What is shown of a method: mean and standard deviation of some conditional paths, and the marginal flow."""

    label: str
    mean: Array
    std: Array
    flow: Array


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """A column per method: above paths of one batch's pairs, below the exact flow of all pairs of some batches."""
    from matplotlib import pyplot

    from cfm.stages.data import load

    assert dataset is not None
    data = load(config.layout.data(experiment, dataset))
    columns = _columns(config, experiment, methods_shown(config, experiment, settings, dataset), data)
    target = data.target("test")
    box = bounding_box([target, *(points for column in columns for points in (column.mean, column.flow))], 0.0001)
    size = (_WIDTH * len(columns), 2 * _WIDTH * height(box) + 1.0)
    figure, axes = pyplot.subplots(2, len(columns), figsize=size, squeeze=False)
    figure.set_layout_engine("constrained", w_pad=0.0, h_pad=0.06)
    for column, (above, below) in zip(columns, axes.T, strict=True):
        above.set_title(column.label)
        _conditionals(above, column, target)
        _panel(below, {"trajectory": column.flow}, target)
        pyplot.setp(below.lines, linewidth=0.6, alpha=0.6)  # of fewer points than there
        for axis in (above, below):
            bare(axis, box)
    for axis, title in zip(axes[:, 0], ("conditional paths", "marginal flow"), strict=True):
        row_title(axis, title)
    handles = [handle for axis in axes[::-1, 0] for handle in axis.get_legend_handles_labels()[0]]
    figure.legend(handles, _LEGEND, loc="outside lower center", ncols=len(handles), frameon=False, markerscale=3)
    figure.suptitle(config.datasets[dataset].entry.label, fontsize=11, x=0.01, horizontalalignment="left")
    return figure


def _columns(config: Config, experiment: str, methods: list[str], data: Prepared) -> list[_Column]:
    from cfm.batches import Pairing
    from cfm.stages.objective import draw as draw_pairs

    settings, columns = config.experiments[experiment], []
    assert settings.train is not None
    for name in methods:
        method = config.methods[name].method
        path = method.conditional_path
        if path is not None:
            pairs = draw_pairs(Pairing.of(method, data, settings.train.batch_size), settings.seeds[0], 0, _BATCHES)
            shown = conditionals(path, *(points[:_PAIRS] for points in pairs[:2]))
            columns.append(_Column(config.methods[name].entry.label, *shown, marginal_flow(path, *pairs)))
    return columns


def conditionals(path: Path, x0: Tensor, x1: Tensor) -> tuple[Array, Array]:
    """Mean (times, n, dim) and standard deviation (times,) of the paths of n pairs, from t = 0 to 1."""
    import torch

    t = torch.linspace(0, 1, _TIMES)
    return path.mean(x0, x1, t[:, None, None]).numpy(), path.std(t).numpy()


def marginal_flow(path: Path, x0: Tensor, x1: Tensor, eps: Tensor) -> Array:
    """Points of p_0 carried along by the flow of all pairs, shape (times, points, dim)."""
    import torch

    from cfm.marginal import Marginal
    from cfm.solve import integrate

    zero = torch.zeros(())
    start = path.mean(x0, x1, zero) + path.std(zero) * eps
    return integrate(Marginal(x0, x1, path), start[:_POINTS].numpy(), _SOLVER).x


def _conditionals(axis: Axes, column: _Column, target: Array) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    green = COLOURS["green"]
    axis.scatter(target[:, 0], target[:, 1], s=2, color=COLOURS["grey"], alpha=0.25, linewidths=0, rasterized=True)
    # One shape for all tubes, so that the colour is even where many overlap.
    tubes = Outline.make_compound_path(
        *(Outline(outline(line, column.std), closed=True) for line in column.mean.swapaxes(0, 1))
    )
    axis.add_patch(PathPatch(tubes, facecolor=green, alpha=0.2, linewidth=0, label="tubes"))
    axis.add_patch(PathPatch(tubes, fill=False, edgecolor=green, alpha=0.5, linewidth=0.3))
    lines = axis.plot(column.mean[..., 0], column.mean[..., 1], color=green, linewidth=0.8)
    lines[0].set_label("means")
    for (x, y), colour in ((column.mean[0].T, "black"), (column.mean[-1].T, COLOURS["blue"])):
        axis.scatter(x, y, s=7, color=colour, linewidths=0, zorder=3)
