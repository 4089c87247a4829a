"""Density of the target and of every model on a grid, in the plane, for one data set."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING

import numpy as np

from cfm.config import Config
from cfm.datasets import Density
from cfm.errors import RunFailed
from cfm.files import read_arrays
from cfm.metrics.density import grid
from cfm.results.figures._flows import bare, first_samples, height, shade, tell_failure
from cfm.results.figures._panels import WIDTH
from cfm.results.figures.base import Kind, methods_shown
from cfm.results.figures.fields import density
from cfm.settings import Figure
from cfm.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_COLUMNS = 4


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """The target first, then a panel per method, first seed, all with the shades of the target."""
    from matplotlib import pyplot

    assert dataset is not None
    data = config.layout.data(experiment, dataset)
    methods = methods_shown(config, experiment, settings, dataset)
    stored = {name: first_samples(config, experiment, settings, dataset, name) for name in methods}
    columns = min(len(methods) + 1, _COLUMNS)
    rows = -(-(len(methods) + 1) // columns)
    known = read_arrays(data)
    box = _box(known["test_1"]) if "test_1" in known else np.array([[0, 0], [1, 1]])
    side = WIDTH / _COLUMNS
    size = (side * columns, (side * height(box) + 0.25) * rows)
    figure, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.03)
    for axis in axes.flat:
        bare(axis, box)
    axes.flat[0].set_title(config.datasets[dataset].entry.label)
    if "test_1" not in known:
        tell_failure(axes.flat[0], str(known["failure"]))
        return figure
    try:
        target = _target(config, dataset, known["test_1"], box)
    except RunFailed as error:  # the grid goes where chains and samples do not
        target = density(known["test_1"], box)
        print(f"note: {dataset}: the target is drawn from its test set: {error}", file=sys.stderr)
    shade(axes.flat[0], target, box, target.max())
    for axis, name in zip(axes.flat[1:], methods, strict=False):
        axis.set_title(config.methods[name].entry.label)
        if "failure" in stored[name]:
            tell_failure(axis, str(stored[name]["failure"]))
        elif "grid_log_density" not in stored[name]:
            axis.text(0.5, 0.5, "not known", ha="center", va="center", transform=axis.transAxes)
        else:
            shade(axis, np.exp(stored[name]["grid_log_density"]).T, box, target.max())
    return figure


def _target(config: Config, dataset: str, test: Array, box: Array) -> Array:
    """In rows from below: exactly for a density, normalised on the grid; else a kernel estimate from the test set."""
    known = config.datasets[dataset].dataset
    if not isinstance(known, Density):
        return density(test, box)
    x, y = grid(test)
    points = np.array(list(itertools.product(x, y)), dtype=np.float32)
    logs = known.at(points).astype(np.float64)
    if not (logs > -np.inf).any():  # a support between the points of the grid
        return density(test, box)
    values = np.exp(logs - logs.max()).reshape(len(x), len(y)).T
    found: Array = values / (values.sum() * (x[1] - x[0]) * (y[1] - y[0]))
    return found


def _box(test: Array) -> Array:
    x, y = grid(test)
    half = np.array([x[1] - x[0], y[1] - y[0]]) / 2
    return np.array([[x[0], y[0]], [x[-1], y[-1]]]) + np.outer([-1, 1], half)


FIGURE = Kind(draw, shows="samples", plane=True)
