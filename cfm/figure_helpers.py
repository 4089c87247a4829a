"""What several kinds of figure share: panels, legends, numbers over seeds, axes, and the training files."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from cfm.config import Config
from cfm.figures.base import COLOURS, SERIES, methods_shown
from cfm.metrics import metric_of
from cfm.settings import Figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Canvas
    from pandas.core.groupby import SeriesGroupBy

WIDTH = 6.5  # inches, the text of a paper with one column
_NAMES = {"w2": "W2 to test data", "npe": "normalised path error"}


def metric_label(metric: str) -> str:
    """The words for a metric at an axis."""
    name = metric.removesuffix("_large")
    words = _NAMES.get(name) or f"{name.replace('_', ' ')} ({metric_of(name).unit})"
    return words if metric == name else f"{words}, large set"


def number(value: float) -> str:
    """Three significant digits, never as a power of ten."""
    return np.format_float_positional(value, precision=3, unique=False, fractional=False).rstrip(".")


def spread(groups: SeriesGroupBy[Any, Any]) -> pd.DataFrame:
    """Columns `mean` and `std` over seeds; one seed has no deviation, and is drawn with none."""
    return groups.agg(["mean", "std"]).fillna({"std": 0.0})


def styles(config: Config, experiment: str, settings: Figure) -> dict[str, Any]:
    """Colour and marker of every method of a figure: the same in all panels, whichever run there."""
    return dict(zip(methods_shown(config, experiment, settings), itertools.cycle(SERIES), strict=False))


def training_runs(config: Config, experiment: str, dataset: str, method: str) -> dict[int, pd.DataFrame]:
    """`train.csv` of the seeds that have one with rows."""
    import pandas as pd

    found = {}
    for seed in config.experiments[experiment].seeds:
        try:
            table = pd.read_csv(config.layout.run(experiment, dataset, method, seed) / "train.csv")
        except FileNotFoundError:
            continue
        if len(table):
            found[seed] = table
    return found


def grid(config: Config, experiment: str, height: float = 2.2) -> tuple[Canvas, dict[str, Axes]]:
    """A figure with a panel of some inches for each data set of the experiment, two in a row."""
    from matplotlib import pyplot

    names = config.experiments[experiment].datasets
    columns = min(len(names), 2)
    rows = -(-len(names) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(WIDTH / 2 * columns, height * rows + 0.5), squeeze=False)
    figure.set_layout_engine("constrained")
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    panels = dict(zip(names, axes.flat, strict=False))
    for name, axis in panels.items():
        axis.set_title(config.datasets[name].entry.label)
    return figure, panels


def legend(figure: Canvas, extra: tuple[Any, ...] = ()) -> None:
    """One legend below, of what any panel shows, in as few rows as the figure is wide enough for."""
    shown: dict[str, Any] = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, handle)
    shown |= {handle.get_label(): handle for handle in extra}
    for rows in range(1, len(shown) + 1):
        columns = -(-len(shown) // rows)
        below = figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=columns, frameon=False)
        if below.get_window_extent().width <= figure.bbox.width:
            return
        if columns > 1:
            below.remove()


def log_axis(axis: Axis, low: float, high: float) -> None:
    """Make an axis logarithmic, with plain numbers that leave room for each other."""
    from matplotlib import ticker

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})  # type: ignore[attr-defined]
    decades = np.log10(high / low)
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if decades < 1.2 else (1, 3) if decades < 2 else (1,)))
    axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.set_minor_locator(ticker.NullLocator())


def sparse_ticks(axis: Axis, values: list[float]) -> None:
    """A tick at each value of a logarithmic axis, and its number where there is room for it."""
    from matplotlib import ticker

    places = sorted(set(values))
    named: list[float] = []
    for place in reversed(places):
        if not named or np.log(named[-1] / place) > 0.15 * np.log(places[-1] / places[0]):
            named.append(place)
    axis.set_major_locator(ticker.FixedLocator(named))
    axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.set_minor_locator(ticker.FixedLocator(places))
    axis.set_minor_formatter(ticker.NullFormatter())


def dot(axis: Axes, y: int, mean: float, std: float, note: str = "") -> None:
    """A mean with its deviation, its number to the right of both."""
    style = SERIES[1]
    axis.errorbar([mean], [y], xerr=[[std], [std]], color=style["color"], marker="o", markersize=4, linewidth=1.2)
    place = {"xytext": (5, 0), "textcoords": "offset points", "verticalalignment": "center"}
    axis.annotate(number(mean) + note, (mean + std, y), fontsize="small", **place)  # type: ignore[arg-type]


def method_rows(axis: Axes, labels: list[str]) -> None:
    """Methods from top to bottom on the vertical axis, with a thin line for the eye at each."""
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", color=COLOURS["grey"], alpha=0.3, linewidth=0.5)
    axis.set_axisbelow(True)
