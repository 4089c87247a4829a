"""Carrying given points by the trained networks of several seeds, in the units of the data's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cfm.errors import UserError
from cfm.settings import Solver
from cfm.stages.course_times import CourseTimes
from cfm.stages.loaded import LoadedRun
from cfm.types import Floats


@dataclass(frozen=True)
class Carried:
    """Points on their way: `points` and `velocity` (seeds, times, n, dim) at `times` (times,) of the data, in its
    original units, velocities per unit of its time. `names`: what the times are called; `numbers`: as observed."""

    times: Floats
    numbers: Floats
    names: tuple[str, ...]
    points: Floats
    velocity: Floats

    @property
    def mean(self) -> Floats:
        """Over seeds, (times, n, dim)."""
        return np.asarray(self.points.mean(axis=0))

    @property
    def std(self) -> Floats | None:
        """Over seeds, (times, n, dim); None of one seed."""
        return None if len(self.points) < 2 else np.asarray(self.points.std(axis=0, ddof=1))


def carry(
    runs: Sequence[LoadedRun], course: CourseTimes, points: Floats, start: str, end: str, times: int, solver: Solver
) -> Carried:
    """Carry points (n, dim), in original units, from one time to another with each run; `times` equally spaced ones.

    Raises RunFailed, and `UserError` where a time lies outside of what the method was trained on.
    """
    data = runs[0].data.prepared
    mean = np.zeros(data.dim) if data.whiten_mean is None else data.whiten_mean
    scale = np.ones(data.dim) if data.whiten_scale is None else data.whiten_scale
    first, last = (_within(runs[0], course, text, f"--{name}") for name, text in (("from", start), ("to", end)))
    stops = runs[0].stops(first, last, times)
    whitened, paths, rates = (points - mean) / scale, [], []
    for run in runs:
        path = run.carry(whitened, first, last, times, solver)
        paths.append(path)
        rates.append([run.velocity(time, x) for time, x in zip(stops, path, strict=True)])
    back = np.stack(paths) * scale + mean
    return Carried(stops, course.numbers(stops), tuple(course.names(stops)), back, np.array(rates) * scale)


def _within(run: LoadedRun, course: CourseTimes, text: str, option: str) -> float:
    time, (first, last) = course.when(text, option), run.times
    if not first <= time <= last:
        early, late = course.names(np.array([first, last]))
        raise UserError(
            f"{option}: {text}: the method was trained on times from {early} to {late} only; those of flow matching "
            "know all of them"
        )
    return time
