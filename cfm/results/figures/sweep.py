"""A metric against a hyper-parameter, a row of panels per metric (after the paper's Figs. D.2 and D.3)."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

from cfm.artifacts.runs import read_runs
from cfm.config import Config
from cfm.fingerprint import canonical
from cfm.results.figures._panels import WIDTH, legend, log_axis, side_label, sparse_ticks, spread, stretch
from cfm.results.figures.base import SERIES, Kind, methods_shown
from cfm.results.labels import dataset_label
from cfm.settings import Figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_AXES = {"ot_batch": "points per plan, k", "sigma": "width σ", "plan": "points per plan of the truth"}
_WIDE = 30  # a range that needs a logarithmic axis


@dataclasses.dataclass(frozen=True)
class _Series:
    """Methods that differ in the hyper-parameter only, by its value; or `across`, one that has none."""

    label: str
    style: dict[str, Any]
    points: dict[float, str]
    across: str | None


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """Mean and standard deviation over seeds; methods without the hyper-parameter are lines across."""
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    assert settings.over is not None
    runs = read_runs(config.layout.runs(experiment))
    series = _series(config, methods_shown(config, experiment, settings), settings.over)
    shown = [name for one in series for name in (*one.points.values(), one.across)]
    runs = runs[(runs.solver == settings.solver) & runs.method.isin(shown)]
    names, metrics = config.experiments[experiment].datasets, settings.metrics
    size = (WIDTH / 4 * max(len(names), 2), 1.6 * len(metrics) + 0.7)
    figure, axes = pyplot.subplots(len(metrics), len(names), figsize=size, sharex=True, squeeze=False)
    figure.set_layout_engine("constrained")
    for (row, metric), (column, name) in itertools.product(enumerate(metrics), enumerate(names)):
        here = runs[runs.dataset == name]
        stats = spread(here[(here.metric == metric) & (here.status == "ok")].groupby("method").value)
        _panel(axes[row, column], stats, set(here[here.status != "ok"].method), series)
    for top, bottom, name in zip(axes[0], axes[-1], names, strict=True):
        top.set_title(dataset_label(config, experiment, name), fontsize="medium")
        bottom.set_xlabel(_AXES.get(settings.over, settings.over))
    for axis, metric in zip(axes[:, 0], metrics, strict=True):
        axis.set_ylabel(side_label(metric))
    sparse_ticks(axes[0, 0], "x", [value for one in series for value in one.points])
    failed = Line2D([], [], color="black", marker="x", linestyle="none", markersize=4, label="failed runs")
    legend(figure, (failed,) if (runs.status != "ok").any() else ())
    return figure


def _series(config: Config, methods: list[str], over: str) -> list[_Series]:
    """The methods in groups of equal settings but for the hyper-parameter."""
    groups: dict[str, dict[float | None, str]] = {}
    for name in methods:
        chosen = config.methods[name]
        others = dataclasses.asdict(chosen.method)
        value = others.pop(over, None)
        key = canonical([chosen.entry.family, others, value is None])
        groups.setdefault(key, {})[value] = name
    labels = {name: chosen.entry.label for name, chosen in config.methods.items()}
    plain = {labels[group[None]] for group in groups.values() if None in group}
    found = []
    for group, style in zip(groups.values(), itertools.cycle(SERIES), strict=False):
        points = {value: group[value] for value in sorted(value for value in group if value is not None)}
        label = _label([labels[name] for name in points.values()], plain) if points else labels[group[None]]
        found.append(_Series(label, style, points, group.get(None)))
    return found


def _label(labels: list[str], taken: set[str]) -> str:
    """What the labels of a line share; with the range of what they do not, where a line across is called the same."""
    shared, _, value = labels[0].rpartition(", ")
    if len(labels) > 1 and shared in taken:
        return f"{shared}, {value} … {labels[-1].rpartition(' ')[2]}"
    return shared if shared and shared not in taken else labels[0]


def _panel(axis: Axes, stats: pd.DataFrame, failed: set[str], series: list[_Series]) -> None:
    axis.tick_params(which="both", labelsize="small")
    marks: Counter[float] = Counter()
    dashes = itertools.cycle(("--", "-.", ":"))
    for one in series:
        style: dict[str, Any] = {"color": one.style["color"], "linewidth": 1.2, "label": one.label}
        if one.across is not None:
            style["linestyle"] = next(dashes)
            if one.across in stats.index:
                axis.axhline(stats["mean"][one.across], zorder=1, **style)
            continue
        found = {value: name for value, name in one.points.items() if name in stats.index}
        mean, std = (stats[column][[*found.values()]] for column in ("mean", "std"))
        axis.errorbar([*found], mean, std, markersize=3.5, **style | one.style)
        mark: Any = {"color": style["color"], "transform": axis.get_xaxis_transform(), "markersize": 4, "zorder": 3}
        for value in (value for value, name in one.points.items() if name in failed):
            axis.plot(value, 0.04 + 0.07 * marks[value], "x", **mark)
            marks[value] += 1
    _scale(axis, stats, marks)


def _scale(axis: Axes, stats: pd.DataFrame, marks: Counter[float]) -> None:
    """From zero on, or logarithmic if the means are that far apart, with room for the marks of failed runs."""
    if stats["mean"].min() > 0 and stats["mean"].max() > _WIDE * stats["mean"].min():
        log_axis(axis, "y", stats["mean"])
        stretch(axis, "y", below=0.1 * max(marks.values(), default=0))
    else:
        axis.set_ylim(bottom=0)


FIGURE = Kind(draw, shows="runs", plane=False)
