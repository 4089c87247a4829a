"""Validation error against training steps, a panel per data set (after the paper's Fig. 2, left)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cfm.config import Config
from cfm.figure_helpers import grid, legend, log_axis, spread, styles, training_runs
from cfm.figures.base import methods_shown
from cfm.settings import Figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

SHOWS = "training"


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """Mean over seeds and a band of one standard deviation, at the checks where W2 was measured."""
    import pandas as pd

    figure, panels = grid(config, experiment)
    style = styles(config, experiment, settings)
    for name, axis in panels.items():
        axis.set(xlabel="training step", ylabel="validation W2")
        curves = {
            method: _curve(training_runs(config, experiment, name, method))
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


def _curve(runs: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    tables = [table[["step", "val_w2"]].dropna() for table in runs if "val_w2" in table]
    rows = pd.concat(tables) if tables else pd.DataFrame({"step": [], "val_w2": []})
    return spread(rows.groupby("step").val_w2)


def _line(axis: Axes, curve: pd.DataFrame, label: str, style: Any) -> None:
    axis.plot(curve.index, curve["mean"], label=label, markersize=3.5, linewidth=1.2, **style)
    low, high = curve["mean"] - curve["std"], curve["mean"] + curve["std"]
    axis.fill_between(curve.index, low, high, color=style["color"], alpha=0.2, linewidth=0)
