"""What several kinds of figure share: panels, legends, numbers over seeds, axes, and the training files."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cfm.artifacts.training_log import read_log
from cfm.config import Config
from cfm.metrics import metric_label, metric_of
from cfm.results.figures.base import COLOURS, SERIES, methods_shown
from cfm.results.labels import dataset_label
from cfm.settings import Figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Canvas
    from pandas.core.groupby import SeriesGroupBy

Side = Literal["x", "y"]
WIDTH = 6.5  # inches, the text of a paper with one column
_NAMED = ("nats", "s", "10⁻³")  # units that an axis names; the others are in the words, or are the data's own
_LINE = 22  # characters of a label beside a panel


def axis_label(metric: str) -> str:
    """The words for a metric at an axis."""
    unit = metric_of(metric).unit
    return metric_label(metric) + (f" ({unit})" if unit in _NAMED else "")


def side_label(metric: str) -> str:
    """The same in lines that are short enough for the side of a panel."""
    return narrow(axis_label(metric))


def narrow(words: str) -> str:
    """Words in lines that are short enough for the side of a panel."""
    return textwrap.fill(words, _LINE)


def number(value: float) -> str:
    """Three significant digits, never as a power of ten."""
    return f"{Decimal(f'{value:#.3g}'):f}"


def spread(groups: SeriesGroupBy[Any, Any]) -> pd.DataFrame:
    """Columns `mean`, `std` and `count` over seeds; one seed has no deviation, and is drawn with none."""
    return groups.agg(["mean", "std", "count"]).fillna({"std": 0.0})


def styles(config: Config, experiment: str, settings: Figure) -> dict[str, Any]:
    """Colour and marker of every method of a figure: the same in all panels, whichever run there."""
    return dict(zip(methods_shown(config, experiment, settings), itertools.cycle(SERIES), strict=False))


def training_runs(config: Config, experiment: str, dataset: str, method: str) -> list[pd.DataFrame]:
    """`train.csv` of the seeds that have one with rows."""
    import pandas as pd

    seeds = config.experiments[experiment].seeds
    logs = [read_log(config.layout.run(experiment, dataset, method, seed)) for seed in seeds]
    return [pd.DataFrame(rows) for rows in logs if rows]


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
        axis.set_title(dataset_label(config, experiment, name))
    return figure, panels


def legend(figure: Canvas, extra: tuple[Any, ...] = ()) -> None:
    """One legend below, of what any panel shows, in as few rows as the figure is wide enough for."""
    from matplotlib.container import Container

    found = [pair for axis in figure.axes for pair in zip(*axis.get_legend_handles_labels(), strict=True)]
    found.sort(key=lambda pair: not isinstance(pair[0], Container))  # results first, lines across after them
    shown: dict[str, Any] = {}
    for handle, label in found + [(handle, handle.get_label()) for handle in extra]:
        shown.setdefault(label, handle)
    for rows in range(1, len(shown) + 1):
        columns = -(-len(shown) // rows)
        below = figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=columns, frameon=False)
        if below.get_window_extent().width <= figure.bbox.width:
            return
        if columns > 1:
            below.remove()


def log_axis(axes: Axes, side: Side, means: Sequence[float] | pd.Series[float]) -> None:
    """Make an axis with these means logarithmic, with plain numbers that leave room for each other; after drawing.

    A deviation as large as its mean would reach down to zero: the axis ends before.
    """
    from matplotlib import ticker

    low, high = min(means), max(means)
    many = ticker.LogLocator(subs=_numbers(axes, side, np.log10(high / low)))
    axis = _log(axes, side)
    axis.set_major_locator(many if high > 2.5 * low else ticker.MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.set_minor_locator(ticker.NullLocator())
    first, last = axis.get_view_interval()
    axes.set(**{f"{side}lim": (max(first, low / 2), last)})


def _numbers(axes: Axes, side: Side, decades: float) -> tuple[int, ...]:
    """The multiples of powers of ten that have room at an axis; numbers are wider than high."""
    box = axes.get_window_extent()
    crowd = decades / (box.width / 1.3 if side == "x" else box.height) * axes.figure.dpi
    return (1, 2, 3, 5) if crowd < 0.6 else (1, 3) if crowd < 1.2 else (1,)


def sparse_ticks(axes: Axes, side: Side, values: list[float]) -> None:
    """Make an axis logarithmic, with a tick at each value, and its number where there is room for it."""
    from matplotlib import ticker

    places = sorted(set(values))
    named: list[float] = []
    for place in reversed(places):
        if not named or np.log(named[-1] / place) > 0.15 * np.log(places[-1] / places[0]):
            named.append(place)
    axis = _log(axes, side)
    margin = (places[-1] / places[0]) ** 0.05 if len(places) > 1 else 2
    axes.set(**{f"{side}lim": (places[0] / margin, places[-1] * margin)})
    axis.set_major_locator(ticker.FixedLocator(named))
    axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.set_minor_locator(ticker.FixedLocator(places))
    axis.set_minor_formatter(ticker.NullFormatter())


def _log(axes: Axes, side: Side) -> Axis:
    axes.set(**{f"{side}scale": "log"})
    return _axis(axes, side)


def _axis(axes: Axes, side: Side) -> Axis:
    return {"x": axes.xaxis, "y": axes.yaxis}[side]


def stretch(axes: Axes, side: Side, below: float = 0.0, above: float = 0.0) -> None:
    """Make room at the ends of an axis, in parts of its length; after drawing."""
    axis = _axis(axes, side)
    scale = axis.get_transform()
    low, high = scale.transform(axis.get_view_interval())
    ends = scale.inverted().transform([low - below * (high - low), high + above * (high - low)])
    axes.set(**{f"{side}lim": ends})


def dot(axis: Axes, row: int, mean: float, std: float, note: str = "") -> None:
    """A mean with its deviation, its number to the right of both."""
    axis.errorbar([mean], [row], xerr=[std], color=SERIES[1]["color"], marker="o", markersize=4, linewidth=1.2)
    beside(axis, number(mean) + note, mean + std, row)


def beside(axis: Axes, text: str, x: float, row: int, **style: Any) -> None:
    """A short text to the right of a point."""
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    place: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center_baseline"}
    axis.annotate(text, (x, row), fontsize="small", bbox=box, **place | style)


def method_rows(axis: Axes, labels: list[str]) -> None:
    """Methods from top to bottom on the vertical axis, with a thin line for the eye at each."""
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", color=COLOURS["grey"], alpha=0.3, linewidth=0.5)
    axis.set_axisbelow(True)
