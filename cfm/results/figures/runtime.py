"""Seconds of training of every method, and what they were spent on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfm.config import Config
from cfm.results.figures._panels import WIDTH, dot, legend, log_axis, method_rows, stretch, training_runs
from cfm.results.figures.base import SERIES, Kind, methods_shown
from cfm.settings import Figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Dark, middle, light: they stay apart in grey print, too.
_PARTS = {
    "seconds_coupling": ("couplings", SERIES[1]["color"]),
    "seconds_step": ("network steps", SERIES[0]["color"]),
    "seconds_validation": ("validation", "#DDDDDD"),
}


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """Mean over data sets and seeds: the total on the left, its parts on the right."""
    from matplotlib import pyplot

    spent = {name: _seconds(config, experiment, name) for name in methods_shown(config, experiment, settings)}
    spent = {name: table for name, table in spent.items() if len(table)}
    names = sorted(spent, key=lambda name: float(spent[name].sum(axis=1).mean()))
    size = (WIDTH, 0.24 * len(names) + 1.1)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=size, sharey=True)
    figure.set_layout_engine("constrained", wspace=0.06)
    method_rows(left, [config.methods[name].entry.label for name in names])
    _totals(left, [spent[name].sum(axis=1) for name in names])
    _parts(right, [spent[name].mean() for name in names])
    legend(figure)
    return figure


def _seconds(config: Config, experiment: str, method: str) -> pd.DataFrame:
    """The last row of every finished training: a run that failed half-way did not take so long."""
    import pandas as pd

    settings = config.training(experiment, method)
    assert settings is not None
    last = [
        table.iloc[-1]
        for dataset in config.experiments[experiment].datasets
        for table in training_runs(config, experiment, dataset, method)
    ]
    return pd.DataFrame([row for row in last if row["step"] == settings.steps], columns=[*_PARTS])


def _totals(axis: Axes, totals: list[pd.Series[float]]) -> None:
    axis.set_xlabel("training time per seed (s)")
    for row, total in enumerate(totals):
        dot(axis, row, total.mean(), total.std() if len(total) > 1 else 0.0)
    if totals:
        log_axis(axis, "x", [total.mean() for total in totals])
        stretch(axis, "x", above=0.2)


def _parts(axis: Axes, means: list[pd.Series[float]]) -> None:
    axis.set(xlim=(0, 100), xlabel="share of this time (%)")
    axis.tick_params(axis="y", length=0)
    start = [0.0] * len(means)
    for part, (label, colour) in _PARTS.items():
        width = [100 * mean[part] / mean.sum() for mean in means]
        axis.barh(range(len(means)), width, 0.7, start, color=colour, edgecolor="white", linewidth=0.5, label=label)
        start = [left + more for left, more in zip(start, width, strict=True)]


FIGURE = Kind(draw, shows="training", plane=False)
