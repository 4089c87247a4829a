"""Faces on their way: the trajectory of a few codes, decoded at several times, a panel per method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cfm.config import Config
from cfm.files import read_arrays
from cfm.nets.autoencoder import decode
from cfm.pictures import mosaic
from cfm.results.figures._flows import at, first_samples, tell_failure
from cfm.results.figures._panels import WIDTH
from cfm.results.figures.base import Kind, methods_shown
from cfm.settings import Figure
from cfm.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_FACES = 6
_TIMES = np.linspace(0, 1, 6)
_COLUMNS = 2


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """The first test pictures without the attribute, first seed."""
    from matplotlib import pyplot

    assert dataset is not None
    methods = methods_shown(config, experiment, settings, dataset)
    data = read_arrays(config.layout.data(experiment, dataset))
    rows = -(-len(methods) // _COLUMNS)
    panel = WIDTH / _COLUMNS
    size = (WIDTH, (panel * _FACES / len(_TIMES) + 0.4) * rows + 0.3)
    figure, axes = pyplot.subplots(rows, _COLUMNS, figsize=size, squeeze=False)
    figure.set_layout_engine("constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, method in zip(axes.flat, methods, strict=False):
        axis.set_title(config.methods[method].entry.label)
        _panel(axis, first_samples(config, experiment, settings, dataset, method), data)
    figure.suptitle(config.datasets[dataset].entry.label, fontsize=11, x=0.01, horizontalalignment="left")
    return figure


def _panel(axis: Axes, stored: dict[str, Array], data: dict[str, Array]) -> None:
    """A row per face, a column per time, with the times below; or why there is nothing."""
    if "failure" in stored:
        tell_failure(axis, str(stored["failure"]))
        return
    times, path = stored["t"], stored["trajectory"][:, :_FACES]
    steps = np.stack([decode(data, at(t, times, path)) for t in _TIMES], axis=1)
    side = steps.shape[-1]
    axis.imshow(mosaic(steps), cmap="gray", vmin=0, vmax=1)
    for column, t in enumerate(_TIMES):
        place = ((column + 0.5) * side, len(steps) * side + 2)
        axis.text(*place, f"t = {t:g}" if column == 0 else f"{t:g}", ha="center", va="top", fontsize="small")


FIGURE = Kind(draw, shows="samples", plane=False)
