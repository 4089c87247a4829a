"""Error against field evaluations, a panel per data set (after the paper's Fig. 2, right)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfm.artifacts.runs import read_runs
from cfm.config import Config
from cfm.results.figures._panels import grid, legend, log_axis, side_label, spread, styles
from cfm.results.figures.base import COLOURS, Kind, methods_shown, plain_log
from cfm.settings import Figure, Solver

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_DIAMOND: Any = {"marker": "D", "markersize": 6, "markerfacecolor": "none"}


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """Mean and standard deviation over seeds: a line over the Euler solvers, a diamond for the adaptive one.

    The noise floor is the control's: fresh samples of the target.
    """
    from matplotlib.lines import Line2D

    runs = read_runs(config.layout.runs(experiment))
    runs = runs[(runs.metric == settings.metrics[0]) & (runs.status == "ok")]
    solvers = config.experiments[experiment].solvers
    style = styles(config, experiment, settings)
    figure, panels = grid(config, experiment)
    for name, axis in panels.items():
        cell = runs[runs.dataset == name]
        methods = methods_shown(config, experiment, settings, name)
        for method in methods:
            _line(axis, cell[cell.method == method], solvers, config.methods[method].entry.label, style[method])
        floor = cell[(cell.method == "oracle") & (cell.solver == settings.solver)].value
        if len(floor):
            axis.axhline(
                floor.mean(), color=COLOURS["grey"], linestyle="--", linewidth=1, label="noise floor", zorder=0
            )
        axis.set(xscale="log", xlabel="field evaluations", ylabel=side_label(settings.metrics[0]))
        plain_log(axis.xaxis)
        means = spread(cell[cell.method.isin(methods)].groupby(["method", "solver"]).value)["mean"]
        if len(means):
            log_axis(axis, "y", means)
    adaptive = Line2D([], [], **_DIAMOND, color="black", linestyle="none", label="dopri5")
    legend(figure, (adaptive,))
    return figure


def _line(axis: Axes, cell: pd.DataFrame, solvers: dict[str, Solver], label: str, style: Any) -> None:
    euler = [name for name, solver in solvers.items() if solver.scheme == "euler"]
    found = spread(cell[cell.solver.isin(euler)].groupby("nfe").value)
    if len(found):
        look = {"markersize": 3.5, "linewidth": 1.2, "elinewidth": 0.8, **style}
        axis.errorbar(found.index, found["mean"], found["std"], label=label, **look)
    adaptive = [name for name, solver in solvers.items() if solver.scheme == "dopri5"]
    point = cell[cell.solver.isin(adaptive)]
    if len(point):
        mean = [point.nfe.mean()], [point.value.mean()]
        axis.plot(*mean, **_DIAMOND, color=style["color"])


FIGURE = Kind(draw, shows="runs", plane=False)
