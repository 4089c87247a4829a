"""Conditional paths of training pairs, and the marginal flow they add up to (after the paper's Fig. 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cfm.config import Config
from cfm.errors import RunFailed
from cfm.results.figures._flows import bare, bounding_box, height, legend, outline, row_title, tell_failure
from cfm.results.figures.base import COLOURS, Kind, methods_shown
from cfm.results.figures.trajectories import panel
from cfm.settings import Experiment, Figure, Solver
from cfm.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from torch import Tensor

    from cfm.datasets.base import Prepared
    from cfm.methods.base import Method
    from cfm.paths import Path

# Pairs shown and times of their paths; batches that make the flow and points that it carries.
_PAIRS, _TIMES, _BATCHES, _POINTS = 25, 101, 40, 100
_SOLVER = Solver("euler", steps=40)
_WIDTH = 2.2
_LEGEND = ["test data", "start, t = 0", "end, t = 1", r"$\pm\,\sigma_t$", r"mean $\mu_t$ of a pair"]


class _Column(NamedTuple):
    """What is shown of a method: mean and standard deviation of some conditional paths, and the marginal flow."""

    mean: Array
    std: Array
    flow: Array


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """A column per method: above paths of one batch's pairs, below the exact flow of all pairs of some batches."""
    from matplotlib import pyplot

    from cfm.artifacts.data import load

    assert dataset is not None
    data = load(config.layout.data(experiment, dataset))
    methods = [config.methods[name] for name in methods_shown(config, experiment, settings, dataset)]
    seed = config.first_seed(experiment, dataset)
    columns = {m.entry.label: _column(m.method, data, config.experiments[experiment], seed) for m in methods}
    shown = [column for column in columns.values() if isinstance(column, _Column)]
    target = data.target("test")
    box = bounding_box([target, *(points for column in shown for points in (column.mean, column.flow))], 0.0001)
    size = (_WIDTH * len(columns), 2 * _WIDTH * height(box) + 1.0)
    figure, axes = pyplot.subplots(2, len(columns), figsize=size, squeeze=False)
    figure.set_layout_engine("constrained", w_pad=0.0, h_pad=0.06)
    for (label, column), (above, below) in zip(columns.items(), axes.T, strict=True):
        above.set_title(label)
        if isinstance(column, _Column):
            _conditionals(above, column, target)
            panel(below, {"trajectory": column.flow}, target)
            pyplot.setp(below.lines, linewidth=0.6, alpha=0.6)  # of fewer points than there
        for axis in (above, below):
            bare(axis, box)
            if isinstance(column, str):
                tell_failure(axis, column)
    for axis, title in zip(axes[:, 0], ("conditional paths", "marginal flow"), strict=True):
        row_title(axis, title)
    legend(figure, axes[::-1], _LEGEND)
    figure.suptitle(config.datasets[dataset].entry.label, fontsize=11, x=0.01, horizontalalignment="left")
    return figure


def _column(method: Method, data: Prepared, settings: Experiment, seed: int) -> _Column | str:
    """What is shown of a method, or why there is nothing."""
    from cfm.stages.objective import draw as draw_pairs
    from cfm.training.batches import PairSampler

    path = method.conditional_path
    if path is None:
        return "has no conditional path"
    assert settings.train is not None
    try:
        pairs = draw_pairs(PairSampler.of(method, data, settings.train.batch_size), seed, 0, _BATCHES)
        return _Column(*conditionals(path, *(points[:_PAIRS] for points in pairs[:2])), marginal_flow(path, *pairs))
    except RunFailed as error:
        return str(error)


def conditionals(path: Path, x0: Tensor, x1: Tensor) -> tuple[Array, Array]:
    """Mean (times, n, dim) and standard deviation (times,) of the paths of n pairs, from t = 0 to 1."""
    import torch

    t = torch.linspace(0, 1, _TIMES)
    return path.mean(x0, x1, t[:, None, None]).numpy(), path.std(t).numpy()


def marginal_flow(path: Path, x0: Tensor, x1: Tensor, eps: Tensor) -> Array:
    """Points of p_0 carried along by the flow of all pairs, shape (times, points, dim)."""
    import torch

    from cfm.solvers.marginal import Marginal
    from cfm.solvers.ode import integrate

    zero = torch.zeros(())
    start = path.mean(x0, x1, zero) + path.std(zero) * eps
    return integrate(Marginal(x0, x1, path), start[:_POINTS].numpy(), _SOLVER).x


def _conditionals(axis: Axes, column: _Column, target: Array) -> None:
    from matplotlib import patches, path

    axis.scatter(target[:, 0], target[:, 1], s=2, color=COLOURS["grey"], alpha=0.25, linewidths=0, rasterized=True)
    lines = column.mean.swapaxes(0, 1)
    # One shape for all tubes, so that the colour is even where many overlap.
    tubes = path.Path.make_compound_path(*(path.Path(outline(line, column.std), closed=True) for line in lines))
    axis.add_patch(patches.PathPatch(tubes, facecolor=COLOURS["green"], alpha=0.2, linewidth=0, label="tubes"))
    axis.add_patch(patches.PathPatch(tubes, fill=False, edgecolor=COLOURS["green"], alpha=0.5, linewidth=0.3))
    axis.plot(column.mean[..., 0], column.mean[..., 1], color=COLOURS["green"], linewidth=0.8)[0].set_label("means")
    for (x, y), colour in ((column.mean[0].T, "black"), (column.mean[-1].T, COLOURS["blue"])):
        axis.scatter(x, y, s=7, color=colour, linewidths=0, zorder=3)


FIGURE = Kind(draw, shows="data", plane=True)
