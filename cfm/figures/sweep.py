"""A metric against a hyper-parameter, a row of panels per metric (after the paper's Figs. D.2 and D.3)."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

from cfm.config import Config, canonical
from cfm.figure_helpers import WIDTH, legend, log_axis, metric_label, sparse_ticks, spread
from cfm.figures.base import SERIES, methods_shown
from cfm.settings import Figure
from cfm.stages.collect import read_runs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

SHOWS = "runs"
_AXES = {"ot_batch": "points per plan, k", "sigma": "width σ"}
_WIDE = 30  # a range that needs a logarithmic axis


@dataclasses.dataclass(frozen=True)
class _Series:
    """Methods that differ in the hyper-parameter only, by its value; or, by None, one that has none."""

    label: str
    methods: dict[float | None, str]
    style: dict[str, Any]

    @property
    def across(self) -> bool:
        return None in self.methods


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """Mean and standard deviation over seeds; methods without the hyper-parameter are lines across."""
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    assert settings.over is not None
    runs = read_runs(config.layout.runs(experiment))
    runs = runs[runs.solver == settings.solver]
    series = _series(config, experiment, settings)
    names, metrics = config.experiments[experiment].datasets, settings.metrics
    size = (WIDTH / 4 * max(len(names), 2), 1.6 * len(metrics) + 0.7)
    figure, axes = pyplot.subplots(len(metrics), len(names), figsize=size, sharex=True, squeeze=False)
    figure.set_layout_engine("constrained")
    for (row, metric), (column, name) in itertools.product(enumerate(metrics), enumerate(names)):
        here = runs[runs.dataset == name]
        stats = spread(here[(here.metric == metric) & (here.status == "ok")].groupby("method").value)
        _panel(axes[row, column], stats, set(here[here.status != "ok"].method), series)
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(config.datasets[name].entry.label)
    for axis, metric in zip(axes[:, 0], metrics, strict=True):
        axis.set_ylabel(metric_label(metric))
    sparse_ticks(axes[0, 0].xaxis, [value for one in series for value in one.methods if value is not None])
    figure.supxlabel(_AXES.get(settings.over, settings.over), fontsize="medium")
    failed = Line2D([], [], color="black", marker="x", linestyle="none", markersize=4, label="failed runs")
    legend(figure, (failed,) if (runs.status != "ok").any() else ())
    return figure


def _series(config: Config, experiment: str, settings: Figure) -> list[_Series]:
    """The methods of the figure in groups of equal settings but for the hyper-parameter."""
    over = str(settings.over)
    groups: dict[str, dict[float | None, str]] = {}
    for name in methods_shown(config, experiment, settings):
        chosen = config.methods[name]
        value = getattr(chosen.method, over, None)
        others = dataclasses.asdict(chosen.method) | {over: value is not None}
        groups.setdefault(canonical([chosen.entry.family, others]), {})[value] = name
    plain = {config.methods[methods[None]].entry.label for methods in groups.values() if None in methods}
    found = []
    for methods, style in zip(groups.values(), itertools.cycle(SERIES), strict=False):
        labels = [config.methods[name].entry.label for name in methods.values()]
        label, _, first = labels[0].rpartition(", ")
        if None in methods or not label:
            label = labels[0]
        elif label in plain:
            label = f"{label}, {first} … {labels[-1].rpartition(' ')[2]}"
        found.append(_Series(label, methods, style))
    return found


def _panel(axis: Axes, stats: pd.DataFrame, failed: set[str], series: list[_Series]) -> None:
    marks: Counter[float] = Counter()
    dashes = itertools.cycle(("--", "-.", ":"))
    for one in series:
        colour = one.style["color"]
        if None in one.methods:
            if one.methods[None] in stats.index:
                mean = stats["mean"][one.methods[None]]
                axis.axhline(mean, color=colour, linestyle=next(dashes), linewidth=1.2, label=one.label, zorder=1)
            continue
        values = {value: name for value, name in sorted(one.methods.items()) if name in stats.index}
        mean, std = (stats[column][[*values.values()]] for column in ("mean", "std"))
        axis.errorbar([*values], mean, std, label=one.label, markersize=3.5, linewidth=1.2, **one.style)
        for value, name in one.methods.items():
            if name in failed:
                place = [0.04 + 0.07 * marks[value]]
                axis.plot([value], place, "x", color=colour, markersize=4, transform=axis.get_xaxis_transform())
                marks[value] += 1
    shown = stats.loc[[name for one in series for name in one.methods.values() if name in stats.index]]
    if len(shown) and shown["mean"].min() > 0 and shown["mean"].max() / shown["mean"].min() > _WIDE:
        log_axis(axis.yaxis, shown["mean"].min(), shown["mean"].max())
    else:
        axis.set_ylim(bottom=0)
