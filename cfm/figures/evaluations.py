"""Error against field evaluations, a panel per data set (after the paper's Fig. 2, right)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from cfm.config import Config
from cfm.figures.base import COLOURS, SERIES, plain_log
from cfm.settings import Figure, Solver
from cfm.stages.collect import read_runs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

SHOWS = "runs"
_METRIC, _LABEL = "w2", "W2 to test data"


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """Mean and standard deviation over seeds: a line over the Euler solvers, a diamond for the adaptive one.

    The noise floor is the control's: fresh samples of the target.
    """
    from matplotlib import pyplot

    runs = read_runs(config.layout.runs(experiment))
    runs = runs[(runs.metric == _METRIC) & (runs.status == "ok")]
    solvers, datasets = config.experiments[experiment].solvers, config.experiments[experiment].datasets
    figure, axes = pyplot.subplots(1, len(datasets), figsize=(2.7 * len(datasets), 2.9), squeeze=False)
    figure.set_layout_engine("constrained")
    methods = [name for name in config.methods_of(experiment) if config.methods[name].method.trained]
    for axis, name in zip(axes[0], datasets, strict=True):
        cell = runs[runs.dataset == name]
        for method, style in zip(methods, itertools.cycle(SERIES), strict=False):
            _line(axis, cell[cell.method == method], solvers, config.methods[method].entry.label, style)
        floor = cell[(cell.method == "oracle") & (cell.solver == settings.solver)].value.mean()
        axis.axhline(floor, color=COLOURS["grey"], linestyle="--", linewidth=1, label="noise floor", zorder=0)
        axis.set(xscale="log", title=config.datasets[name].entry.label, xlabel="field evaluations")
        plain_log(axis.xaxis)
    axes[0, 0].set_ylabel(_LABEL)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def _line(axis: Axes, cell: pd.DataFrame, solvers: dict[str, Solver], label: str, style: Any) -> None:
    if cell.empty:
        return
    euler = [name for name, solver in solvers.items() if solver.scheme == "euler"]
    found = cell[cell.solver.isin(euler)].groupby("nfe").value.agg(["mean", "std"])
    axis.errorbar(found.index, found["mean"], found["std"], label=label, markersize=3.5, linewidth=1.2, **style)
    adaptive = [name for name, solver in solvers.items() if solver.scheme == "dopri5"]
    point = cell[cell.solver.isin(adaptive)]
    axis.plot([point.nfe.mean()], [point.value.mean()], "D", color=style["color"], markersize=6, markerfacecolor="none")
