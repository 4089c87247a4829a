"""Drawing a figure: one style for all, png for screens, pdf for papers."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cfm.config import Config
from cfm.resume import atomic

if TYPE_CHECKING:
    from matplotlib.axis import Axis

# From Okabe and Ito's palette, which stays apart for colour-blind readers.
COLOURS = {"green": "#009E73", "blue": "#0072B2", "grey": "#999999"}
# One line after the other in a plot: colour and marker differ.
SERIES = [
    {"color": colour, "marker": marker}
    for colour, marker in zip(
        ("#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#F0E442"),
        "osv^XP*h",
        strict=True,
    )
]

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "savefig.bbox": "tight",
    "pdf.fonttype": 42,
}


def shows(kind: str) -> Literal["samples", "runs"]:
    """What a kind of figure is drawn from: the samples of one data set, or `runs.csv`, all data sets in one figure."""
    found: Literal["samples", "runs"] = importlib.import_module(f"cfm.figures.{kind}").SHOWS
    return found


def draw(config: Config, experiment: str, name: str, dataset: str | None) -> None:
    """Write a figure of an experiment, for one data set or all, in its formats."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    settings = config.experiments[experiment].figures[name]
    kind = importlib.import_module(f"cfm.figures.{settings.kind}")
    with pyplot.rc_context(STYLE):
        figure = kind.draw(config, experiment, settings, dataset)
        for suffix in ("png", "pdf"):
            save(figure, config.layout.figure(experiment, name, dataset, suffix))
        pyplot.close(figure)


def plain_log(axis: Axis) -> None:
    """Label a logarithmic axis at 1, 2, 5, 10, ..., as plain numbers."""
    from matplotlib import ticker

    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.set_minor_locator(ticker.NullLocator())


def save(figure: Any, path: Path) -> None:
    """Write a figure as png or pdf, without a date: the same numbers give the same bytes."""
    suffix = path.suffix[1:]
    metadata = {"CreationDate": None} if suffix == "pdf" else {"Software": None}
    with atomic(path) as unfinished:
        figure.savefig(unfinished, format=suffix, metadata=metadata)
