"""One metric of every method as dots, a panel per data set (after the paper's Fig. D.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfm.config import Config
from cfm.figure_helpers import WIDTH, dot, log_axis, method_rows, metric_label, spread
from cfm.figures.base import COLOURS, methods_shown
from cfm.settings import Figure
from cfm.stages.collect import read_runs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

SHOWS = "runs"
_WIDE = 10  # a range that needs a logarithmic axis


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """Mean and standard deviation over seeds, and the mean as a number."""
    from matplotlib import pyplot

    runs = read_runs(config.layout.runs(experiment))
    runs = runs[(runs.metric == settings.metrics[0]) & (runs.solver == settings.solver) & (runs.status == "ok")]
    names, methods = config.experiments[experiment].datasets, methods_shown(config, experiment, settings)
    size = (WIDTH / 4 * max(len(names), 2), 0.24 * len(methods) + 0.8)
    figure, axes = pyplot.subplots(1, len(names), figsize=size, sharey=True, squeeze=False)
    figure.set_layout_engine("constrained")
    for axis, name in zip(axes[0], names, strict=True):
        method_rows(axis, [config.methods[method].entry.label for method in methods])
        axis.set_title(config.datasets[name].entry.label)
        _panel(axis, spread(runs[runs.dataset == name].groupby("method").value), methods)
    figure.supxlabel(metric_label(settings.metrics[0]), fontsize="medium")
    return figure


def _panel(axis: Axes, stats: pd.DataFrame, methods: list[str]) -> None:
    if len(stats) and stats["mean"].min() > 0 and stats["mean"].max() / stats["mean"].min() > _WIDE:
        log_axis(axis.xaxis, stats["mean"].min(), stats["mean"].max())
    for row, method in enumerate(methods):
        if method in stats.index:
            dot(axis, row, *stats.loc[method, ["mean", "std"]])
        else:
            axis.text(0.05, row, "—", color=COLOURS["grey"], va="center", transform=axis.get_yaxis_transform())
