"""Generated pictures, a sheet per method, beside a sheet of the test set."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from cfm.config import Config
from cfm.files import read_arrays
from cfm.pictures import from_bytes, sheet
from cfm.results.figures._flows import first_samples, tell_failure
from cfm.results.figures.base import Kind, methods_shown
from cfm.settings import Figure
from cfm.types import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

_SIDE = 8  # pictures in a row of a sheet
_COLUMNS = 4


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """The first pictures of the first seed; of networks that are told the class, a row for each class."""
    from matplotlib import pyplot

    assert dataset is not None
    known = read_arrays(config.layout.data(experiment, dataset))
    methods = methods_shown(config, experiment, settings, dataset)
    test = {"x1": from_bytes(known["test_1"]), "label": known["test_label"]}
    panels: dict[str, dict[str, Array]] = {"test set": test}
    for method in methods:
        stored = first_samples(config, experiment, settings, dataset, method)
        panels[config.methods[method].entry.label] = stored
    rows = -(-len(panels) // _COLUMNS)
    columns = -(-len(panels) // rows)
    figure, axes = pyplot.subplots(rows, columns, figsize=(2.3 * columns, 2.9 * rows), squeeze=False)
    figure.set_layout_engine("constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (title, stored) in zip(axes.flat, panels.items(), strict=False):
        axis.set_title(textwrap.fill(title, 24))
        _panel(axis, stored)
    return figure


def _panel(axis: Axes, stored: dict[str, Array]) -> None:
    if "failure" in stored:
        tell_failure(axis, str(stored["failure"]))
        return
    points = stored["trajectory"][-1] if "trajectory" in stored else stored["x1"]
    axis.imshow(sheet(points[_chosen(stored.get("label"), len(points))], _SIDE), cmap="gray", vmin=0, vmax=255)


def _chosen(labels: Array | None, n: int) -> Array:
    """Which pictures are shown: the first ones, or the first ones of every class."""
    if labels is None:
        return np.arange(min(n, _SIDE * 10))
    classes = np.unique(labels)
    return np.concatenate([np.resize(np.flatnonzero(labels[:n, 0] == label), _SIDE) for label in classes])


FIGURE = Kind(draw, shows="samples", plane=False)
