"""Density and mean velocity of the learned flow at five times, one row per method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cfm.config import Config
from cfm.figures.base import COLOURS, methods_shown
from cfm.flow_pictures import Array, at, bare, bounding_box, first_samples, height, tell_failure
from cfm.settings import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas
    from matplotlib.quiver import Quiver

SHOWS = "samples"
_TIMES = (0.0, 0.25, 0.5, 0.75, 1.0)
_WIDTH = 1.9
# Bins of the density and cells of the arrows along the longer side; the share of the points that an arrow stands for.
_BINS, _CELLS, _SHARE = 120, 13, 0.002


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """The samples of the first seed; densities have the scale of their column, arrows that of the figure."""
    from matplotlib import pyplot

    assert dataset is not None
    methods = methods_shown(config, experiment, settings, dataset)
    stored = {name: first_samples(config, experiment, settings, dataset, name) for name in methods}
    moments = {name: states(run) for name, run in stored.items() if "failure" not in run}
    box = bounding_box([x for states in moments.values() for x, _ in states] or [np.eye(2)], beyond=0.001)
    densities = {name: [density(x, box) for x, _ in states] for name, states in moments.items()}
    fields = {name: [mean_velocities(x, v, box) for x, v in states] for name, states in moments.items()}
    size = (_WIDTH * len(_TIMES), _WIDTH * height(box) * len(methods) + 0.8)
    figure, axes = pyplot.subplots(len(methods), len(_TIMES), figsize=size, squeeze=False)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02)
    speeds = [np.hypot(*v.T) for arrows in fields.values() for _, v in arrows]
    top = float(np.quantile(np.concatenate(speeds), 0.98)) if speeds else 1.0
    for row, name in zip(axes, methods, strict=True):
        row[0].text(
            -0.04,
            0.5,
            config.methods[name].entry.label,
            rotation=90,
            ha="right",
            va="center",
            transform=row[0].transAxes,
        )
        for column, axis in enumerate(row):
            bare(axis, box)
            if name not in moments:
                tell_failure(axis, str(stored[name]["failure"]))
                continue
            most = max(found[column].max() for found in densities.values())
            arrows = _panel(axis, densities[name][column], most, fields[name][column], box, top)
    for axis, t in zip(axes[0], _TIMES, strict=True):
        axis.set_title(f"t = {t:g}")
    if moments:
        _key(arrows, top)
    figure.suptitle(config.datasets[dataset].entry.label, fontsize=11, x=0.01, horizontalalignment="left")
    return figure


def states(stored: dict[str, Array]) -> list[tuple[Array, Array]]:
    """Points (n, 2) and velocities (n, 2) at the five times."""
    t, x = stored["t"], stored["trajectory"]
    velocity = np.gradient(x, t, axis=0)
    return [(at(time, t, x), at(time, t, velocity)) for time in _TIMES]


def density(x: Array, box: Array) -> Array:
    """Points per area (rows from below), smoothed the more the fewer points there are."""
    from scipy.ndimage import gaussian_filter

    size = (box[1] - box[0]).max() / _BINS
    bins = np.ceil((box[1] - box[0]) / size).astype(int)
    counts, _, _ = np.histogram2d(*x.T, bins=bins, range=box.T)
    smooth: Array = gaussian_filter(counts, 8 * len(x) ** (-1 / 6), mode="constant").T
    return smooth / (len(x) * size**2)


def mean_velocities(x: Array, v: Array, box: Array) -> tuple[Array, Array]:
    """Centres (cells, 2) of the cells of a square grid that have enough points, and the mean velocity there."""
    size = (box[1] - box[0]).max() / _CELLS
    cells, which, count = np.unique(np.floor((x - box[0]) / size), axis=0, return_inverse=True, return_counts=True)
    mean = np.stack([np.bincount(which, weights=part) for part in v.T], axis=1) / count[:, None]
    enough = count >= max(3, _SHARE * len(x))
    return box[0] + (cells[enough] + 0.5) * size, mean[enough]


def _panel(axis: Axes, found: Array, most: float, arrows: tuple[Array, Array], box: Array, top: float) -> Quiver:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("density", ["white", COLOURS["blue"]])
    axis.imshow(
        found, cmap=shades, vmin=0, vmax=most, origin="lower", extent=tuple(box.T.flatten()), interpolation="bilinear"
    )
    where, velocity = arrows
    cell = (box[1] - box[0]).max() / _CELLS
    return axis.quiver(
        *where.T, *velocity.T, angles="xy", scale_units="xy", scale=top / (1.4 * cell), pivot="mid", width=0.006
    )


def _key(arrows: Quiver, top: float) -> None:
    """An arrow of a round speed, in the corner beside the title."""
    power = 10 ** np.floor(np.log10(top))
    speed = max(digit * power for digit in (1, 2, 5) if digit * power <= top)
    arrows.axes.quiverkey(arrows, 0.97, 0.97, speed, f"speed {speed:g}", labelpos="W", coordinates="figure")
