"""One metric of every method as dots, a panel per data set (after the paper's Fig. D.8)."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from cfm.artifacts.runs import read_runs
from cfm.config import Config
from cfm.results.figures._panels import WIDTH, axis_label, beside, dot, log_axis, method_rows, spread, stretch
from cfm.results.figures.base import COLOURS, Kind, methods_shown
from cfm.results.labels import dataset_label
from cfm.settings import Figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_WIDE = 10  # a range that needs a logarithmic axis
_COLUMNS = 4
_ONE_LINE, _TWO_LINES = 0.26, 0.36  # inches for a method
_LABEL, _TITLE = 24, 18  # characters in a line of a method's label and of a data set's


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """Mean and standard deviation over seeds, and the mean as a number."""
    from matplotlib import pyplot

    runs = read_runs(config.layout.runs(experiment))
    runs = runs[runs.solver == settings.solver]
    names, seeds = config.experiments[experiment].datasets, config.experiments[experiment].seeds
    methods = methods_shown(config, experiment, settings)
    labels = [textwrap.fill(config.methods[method].entry.label, _LABEL) for method in methods]
    height = len(methods) * (_TWO_LINES if any("\n" in label for label in labels) else _ONE_LINE)
    rows = -(-len(names) // _COLUMNS)
    columns = -(-len(names) // rows)  # as many in each row
    size = (WIDTH / _COLUMNS * max(columns, 2), (height + 0.6) * rows + 0.2)
    figure, axes = pyplot.subplots(rows, columns, figsize=size, sharey=True, squeeze=False)
    figure.set_layout_engine("constrained")
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for axis, name in zip(axes.flat, names, strict=False):
        method_rows(axis, labels)
        axis.set_title(textwrap.fill(dataset_label(config, experiment, name), _TITLE), fontsize="medium")
        axis.tick_params(axis="x", labelsize="small")
        here = runs[runs.dataset == name]
        stats = spread(here[(here.metric == settings.metrics[0]) & (here.status == "ok")].groupby("method").value)
        stats = stats[stats.index.isin(methods)]
        _dots(axis, stats, methods, len(seeds))
        _empty(axis, [m for m in methods if m not in stats.index], methods, set(here[here.status != "ok"].method))
    figure.supxlabel(axis_label(settings.metrics[0]), fontsize="medium")
    return figure


def _dots(axis: Axes, stats: pd.DataFrame, methods: list[str], seeds: int) -> None:
    if stats.empty:
        return
    for method, mean, std, count in stats.itertuples():
        dot(axis, methods.index(method), mean, std, "" if count == seeds else f" ({count} of {seeds})")
    if stats["mean"].min() > 0 and stats["mean"].max() > _WIDE * stats["mean"].min():
        log_axis(axis, "x", stats["mean"])
    stretch(axis, "x", below=0.05, above=0.4)


def _empty(axis: Axes, missing: list[str], methods: list[str], failed: set[str]) -> None:
    style = {"xycoords": axis.get_yaxis_transform(), "color": COLOURS["grey"]}
    for method in missing:
        beside(axis, "failed" if method in failed else "—", 0, methods.index(method), va="center", **style)


FIGURE = Kind(draw, shows="runs", plane=False)
