"""Points on their way from source to target along the learned flow, one panel per method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from cfm.config import Config
from cfm.files import read_arrays
from cfm.results.figures._flows import at, bare, bounding_box, first_samples, height, tell_failure
from cfm.results.figures.base import COLOURS, Kind, methods_shown
from cfm.settings import Figure
from cfm.types import Array

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes

_POINTS = 500
# Frames of the way, and after it, while the tails run out; milliseconds of each; frames that a tail goes back.
_FRAMES, _HOLD, _INTERVAL, _TAIL = 31, 9, 80, 5
_CLOCK = np.minimum(np.arange(_FRAMES + _HOLD) / (_FRAMES - 1), 1)
_WIDTH = 2.2


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> FuncAnimation:
    """The first test points, black at t = 0 and blue at t = 1, before the test data in grey."""
    from matplotlib import pyplot
    from matplotlib.animation import FuncAnimation

    assert dataset is not None
    target = read_arrays(config.layout.data(experiment, dataset))["test_1"]
    methods = methods_shown(config, experiment, settings, dataset)
    stored = [first_samples(config, experiment, settings, dataset, name) for name in methods]
    ways = [None if "failure" in run else way(run) for run in stored]
    box = bounding_box([target, *(found for found in ways if found is not None)], beyond=0.0005, margin=0.06)
    size = (_WIDTH * len(methods), _WIDTH * height(box) + 0.6)
    figure, axes = pyplot.subplots(1, len(methods), figsize=size, squeeze=False)
    figure.subplots_adjust(0, 0, 1, 1 - 0.55 / size[1], wspace=0)
    moves: list[Callable[[int], None]] = []
    for axis, name, run, found in zip(axes[0], methods, stored, ways, strict=True):
        bare(axis, box)
        axis.set_title(config.methods[name].entry.label)
        axis.scatter(target[:, 0], target[:, 1], s=2, color=COLOURS["grey"], alpha=0.4, linewidths=0)
        if found is None:
            tell_failure(axis, str(run["failure"]))
        else:
            moves.append(_move(axis, found))
    figure.suptitle(config.datasets[dataset].entry.label, fontsize=11, x=0.01, y=0.98, horizontalalignment="left")
    clock = figure.text(0.99, 0.98, "", fontsize=11, ha="right", va="top")

    def show(frame: int) -> list[Any]:
        clock.set_text(f"t = {_CLOCK[frame]:.2f}")
        for move in moves:
            move(frame)
        return []

    return FuncAnimation(figure, show, frames=len(_CLOCK), interval=_INTERVAL, cache_frame_data=False)


def way(stored: dict[str, Array]) -> Array:
    """The points of every frame, shape (frames, points, 2)."""
    x = stored["trajectory"][:, :_POINTS]
    return np.stack([at(t, stored["t"], x) for t in _CLOCK])


def _move(axis: Axes, places: Array) -> Callable[[int], None]:
    """What shows a frame: points, from black to blue, and the last bits of their ways, the older the fainter."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("time", ["black", COLOURS["blue"]])
    shades = [0.6 * (1 - age / _TAIL) for age in range(_TAIL)]
    tails = [LineCollection([], color=COLOURS["green"], linewidth=0.7, alpha=shade) for shade in shades]
    for tail in tails:
        axis.add_collection(tail)
    points = axis.scatter(places[0, :, 0], places[0, :, 1], s=4, linewidths=0, zorder=3)

    def show(frame: int) -> None:
        points.set(offsets=places[frame], facecolor=colours(_CLOCK[frame]))
        for age, tail in enumerate(tails):
            bit = places[[max(frame - age - 1, 0), max(frame - age, 0)]]
            tail.set_segments([*bit.swapaxes(0, 1)])

    return show


FIGURE = Kind(draw, shows="samples", plane=True, pictures=("gif",))
