"""The marginals of the true Schroedinger bridge and of every method at five times, in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfm.config import Config
from cfm.files import read_arrays
from cfm.results.figures._flows import at, bare, bounding_box, first_samples, height, row_title, tell_failure
from cfm.results.figures.base import COLOURS, Kind, methods_shown
from cfm.settings import Figure
from cfm.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_TIMES = (0.0, 0.25, 0.5, 0.75, 1.0)
_SIDE = 1.3  # inches, of a panel


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """The truth above, then a row per method with the truth in grey behind it, first seed."""
    from matplotlib import pyplot

    assert dataset is not None
    known = read_arrays(config.layout.data(experiment, dataset))
    t, truth = known["bridge_t"], known["bridge_paths"]
    methods = methods_shown(config, experiment, settings, dataset)
    box = bounding_box([truth], beyond=0.002)
    size = (_SIDE * len(_TIMES) + 0.3, _SIDE * height(box) * (len(methods) + 1) + 0.4)
    figure, axes = pyplot.subplots(len(methods) + 1, len(_TIMES), figsize=size, squeeze=False)
    figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.01)
    for axis, time in zip(axes[0], _TIMES, strict=True):
        axis.set_title(f"t = {time:g}", fontsize="medium")
        _cloud(axis, at(time, t, truth), "black")
    row_title(axes[0, 0], "true bridge")
    for row, method in zip(axes[1:], methods, strict=True):
        stored = first_samples(config, experiment, settings, dataset, method)
        row_title(row[0], config.methods[method].entry.label.removesuffix(" (beyond the paper)"))
        if "failure" in stored:
            tell_failure(row[len(_TIMES) // 2], str(stored["failure"]))
            continue
        for axis, time in zip(row, _TIMES, strict=True):
            _cloud(axis, at(time, t, truth), COLOURS["grey"])
            _cloud(axis, at(time, stored["t"], stored["trajectory"]), COLOURS["blue"])
    for axis in axes.flat:
        bare(axis, box)
    return figure


def _cloud(axis: Axes, points: Array, colour: str) -> None:
    axis.scatter(points[:, 0], points[:, 1], s=1.5, color=colour, alpha=0.5, linewidths=0, rasterized=True)


FIGURE = Kind(draw, shows="samples", plane=True)
