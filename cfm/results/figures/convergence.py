"""Validation error against training steps, a panel per data set (after the paper's Figs. 2 and 3, left)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfm.config import Config
from cfm.config.strict import Where, check_name
from cfm.results.figures._panels import grid, legend, log_axis, side_label, spread, styles, training_runs
from cfm.results.figures.base import Kind, methods_shown
from cfm.settings import Figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_COLUMNS = {  # of train.csv, by the metric that the figure names
    "w2": "val_w2",
    "frechet_classifier": "val_frechet",
    "frechet_efficientnet_lite0": "val_frechet",
}


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """Mean over seeds and a band of one standard deviation, at the checks where the distance was measured."""
    import pandas as pd

    metric = settings.metrics[0]
    check_name(metric, _COLUMNS, "metric", Where(f"config/experiments/{experiment}.yaml", ("figures",)))
    column = _COLUMNS[metric]

    figure, panels = grid(config, experiment)
    style = styles(config, experiment, settings)
    for name, axis in panels.items():
        axis.set(xlabel="training step", ylabel=side_label(metric).replace("test", "validation"))
        curves = {
            method: _curve(training_runs(config, experiment, name, method), column)
            for method in methods_shown(config, experiment, settings, name)
        }
        curves = {method: curve for method, curve in curves.items() if len(curve)}
        for method, curve in curves.items():
            _line(axis, curve, config.methods[method].entry.label, style[method])
        if curves:
            points = pd.concat(curves.values())
            log_axis(axis, "x", points.index.to_series())
            log_axis(axis, "y", points["mean"])
    legend(figure)
    return figure


def _curve(runs: list[pd.DataFrame], column: str) -> pd.DataFrame:
    import pandas as pd

    tables = [table[["step", column]].dropna() for table in runs if column in table]
    rows = pd.concat(tables) if tables else pd.DataFrame({"step": [], column: []})
    return spread(rows.groupby("step")[column])


def _line(axis: Axes, curve: pd.DataFrame, label: str, style: Any) -> None:
    axis.plot(curve.index, curve["mean"], label=label, markersize=3.5, linewidth=1.2, **style)
    low, high = curve["mean"] - curve["std"], curve["mean"] + curve["std"]
    axis.fill_between(curve.index, low, high, color=style["color"], alpha=0.2, linewidth=0)


FIGURE = Kind(draw, shows="training", plane=False)
