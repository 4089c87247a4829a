"""A run as an object: its velocity, its samples, points carried by it, and its log density. `cfm.load` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cfm.errors import UserError
from cfm.methods.base import Method, Start
from cfm.rng import stream
from cfm.settings import Solver
from cfm.stages.chosen_solver import chosen_solver
from cfm.stages.run_data import RunData
from cfm.types import Array, Floats, Points

if TYPE_CHECKING:
    from torch import nn

    from cfm.solvers.ode import Field


@dataclass(frozen=True, repr=False)
class LoadedRun:
    """A method on a data set with a seed, trained; a control has no network, and its `checkpoint` is None.

    Points are arrays (n, dim) as they are in the prepared data, so cells are whitened. A result has the type of float
    of the points that were given; the arithmetic is that of the network, float32. Times are those of the data: from 0
    to 1, or those of a time course. Every method raises `UserError` in one line on what it cannot do, and RunFailed
    where a solver does not get there.
    """

    folder: Path
    method: Method
    checkpoint: str | None
    net: nn.Module | None
    solvers: Mapping[str, Solver]
    seed: int
    data: RunData

    def __repr__(self) -> str:
        first, last = self.times
        names = "/".join(self.folder.parts[-4:-1])
        how = "no network" if self.checkpoint is None else f"checkpoint '{self.checkpoint}'"
        solvers = ", ".join(self.solvers) or "none by name"
        what = f"{self.dim} dimensions, t from {first:g} to {last:g}"
        return f"<{names} seed {self.seed}: {how}, {what}; solvers: {solvers}>"

    @property
    def dim(self) -> int:
        """Number of coordinates of a point."""
        return self.data.prepared.dim

    @property
    def times(self) -> tuple[float, float]:
        """From when to when the velocity was learnt."""
        return self.data.frame(self.method)

    def velocity(self, t: Any, x: Any, labels: Any = None) -> Floats:
        """Of the ODE that samples, at points x (n, dim) and times t, one for all or (n,): (n, dim), per unit of time.

        `labels` (n,): the classes that the points are to become, for a method that is told them.
        """
        import torch

        points = self._points(x)
        times = np.broadcast_to(self._times(t, len(points)), len(points))
        classes = self._labels(labels, len(points))
        first, last = self.times
        share = ((times - first) / (last - first) if self._sees_one_interval else times).astype(np.float32)
        rate = last - first if self._sees_one_interval else 1.0
        given = [share[:, None], points, *([] if classes is None else [classes])]
        with torch.no_grad():
            tensors = [torch.from_numpy(array)[None].to(self._device) for array in given]
            found = self._field(*tensors)[0].cpu().numpy() / rate
        return np.asarray(found, dtype=_float_of(x))

    def sample(
        self,
        n: int,
        solver: str | None = None,
        *,
        steps: int | None = None,
        tolerance: float | None = None,
        seed: int | None = None,
        labels: Any = None,
    ) -> Points:
        """N samples (n, dim): source points carried to the target, or to the time that a time course leaves out.

        `solver`: a name among `solvers`, or a scheme with its `steps` or `tolerance`; by default the adaptive one. The
        points are the first n that the run's own samples start from, those of another `seed` if it is given; so n as
        in samples/ gives these samples again, noise included.
        """
        how = chosen_solver(self.solvers, solver, steps, tolerance)
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise UserError(f"n: a whole number from 1 on is expected, got {n!r}")
        drawn = self.seed if seed is None else seed
        if isinstance(drawn, bool) or not isinstance(drawn, int | np.integer) or not 0 <= drawn < 2**63:
            raise UserError(f"seed: a whole number from 0 on is expected, got {seed!r}")
        x0 = self.data.source(int(n), int(drawn))
        classes = self.data.labels(len(x0)) if self.method.conditional and labels is None else self._labels(labels, n)
        dataset = self.data.dataset if self.net is None else None
        if self.net is None:
            self.data.require()
        start = Start(x0, dataset, stream(int(drawn), "sample"), self.data.view(self.method), classes)
        end: Points = self.method.sample(self.net, start, how).x[-1]
        return end

    def carry(
        self,
        x: Any,
        start: float,
        end: float,
        times: int = 2,
        solver: str | Solver | None = None,
        *,
        steps: int | None = None,
        tolerance: float | None = None,
        labels: Any = None,
    ) -> Floats:
        """Points x (n, dim) of time `start` at so many equally spaced times up to `end`, with both: (times, n, dim).

        By the ODE of `velocity`, whatever the method draws its samples with; backwards where `end` is before `start`.
        The steps of a fixed scheme are as long as those of `sample`.
        """
        from cfm.solvers.stops import carry_through

        how = chosen_solver(self.solvers, solver, steps, tolerance)
        points = self._points(x)
        classes = self._labels(labels, len(points))
        stops, span, field = self.stops(start, end, times), self.data.view(self.method).span, self._field
        if self._sees_one_interval:
            stops = (stops - self.times[0]) / (self.times[1] - self.times[0])
        path = carry_through(field, points, how, [*map(float, stops)], span[1] - span[0], classes, self._device)
        return np.asarray(path, dtype=_float_of(x))

    def stops(self, start: float, end: float, times: int) -> Floats:
        """So many equally spaced times from `start` to `end`."""
        if isinstance(times, bool) or not isinstance(times, int | np.integer) or times < 2:
            raise UserError(f"times: a whole number from 2 on is expected, got {times!r}")
        first, last = (float(self._times(t, 1)[0]) for t in (start, end))
        return np.linspace(first, last, int(times))

    def log_density(
        self, x: Any, solver: str | None = None, *, steps: int | None = None, tolerance: float | None = None
    ) -> Floats:
        """Of the generated distribution at points x (n, dim) of t = 1, in nats, shape (n,), the source being N(0, I).

        Exact up to the solver, unless one is named that estimates the divergence.
        """
        how = chosen_solver(self.solvers, solver, steps, tolerance)
        how = replace(how, divergence="exact") if solver is None else how
        points = self._points(x)
        if not self.data.prepared.from_noise:
            raise UserError(f"{self._name}: no log density is known: the source is not N(0, I) at t = 0")
        found = self.method.log_density(self.net, points, how, stream(self.seed, "log density"))
        if found is None:
            raise UserError(f"{self._name}: no log density is known of this method")
        return np.asarray(found.value, dtype=_float_of(x))

    @property
    def _name(self) -> str:
        return "/".join(self.folder.parts[-2:])

    @property
    def _sees_one_interval(self) -> bool:
        """Does the network's own time go from 0 to 1, whatever the times of the data?"""
        return self.data.view(self.method).times != self.data.prepared.times

    @property
    def _device(self) -> Any:
        return "cpu" if self.net is None else next(self.net.parameters()).device

    @property
    def _field(self) -> Field:
        if self.net is None:
            raise UserError(f"{self._name}: a control without a network has no velocity")
        samples_by_ode = type(self.method).sample is Method.sample
        if type(self.method).velocity is Method.velocity and not samples_by_ode:
            raise UserError(f"{self._name}: has no velocity: it maps the source to the target at once; use `sample`")
        return self.method.velocity(self.net)

    def _points(self, x: Any) -> Points:
        points = _array(x, "x")
        if points.ndim != 2 or points.shape[1] != self.dim or not len(points):
            raise UserError(
                f"x: points in {self.dim} dimensions, shape (n, {self.dim}), are expected, got {points.shape}"
            )
        if not np.isfinite(points).all():
            raise UserError(f"x: {int((~np.isfinite(points)).any(1).sum())} of {len(points)} points are not finite")
        return points.astype(np.float32)

    def _times(self, t: Any, n: int) -> Floats:
        times = _array(t, "t").astype(np.float64)
        if times.shape not in ((), (1,), (n,)):
            raise UserError(f"t: one time, or one for each of {n} points, is expected, got shape {times.shape}")
        first, last = self.times
        if not ((times >= first) & (times <= last)).all():  # NaN is neither
            worst = times.ravel()[~((times >= first) & (times <= last)).ravel()][0]
            raise UserError(f"t: times from {first:g} to {last:g} are expected, got {worst:g}")
        return np.atleast_1d(times)

    def _labels(self, labels: Any, n: int) -> Points | None:
        if not self.method.conditional:
            if labels is not None:
                raise UserError(f"labels: {self._name} is not told the classes of points")
            return None
        if labels is None:
            raise UserError(f"labels: {self._name} is told the class of each point: give one for each of {n}")
        given, classes = _array(labels, "labels"), self.data.dataset.classes
        if given.shape != (n,) or not np.isin(given, np.arange(classes)).all():
            raise UserError(f"labels: a class from 0 to {classes - 1} for each of {n} points is expected, shape ({n},)")
        return given[:, None].astype(np.float32)


def _array(values: Any, name: str) -> Array:
    """Numbers as an array, also those of a tensor."""
    values = values.detach().cpu() if hasattr(values, "detach") else values
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        array = np.array(None)
    if array.dtype.kind not in "fiu":
        raise UserError(f"{name}: an array of numbers is expected, got {type(values).__name__} of {array.dtype}")
    return array


def _float_of(values: Any) -> Any:
    """The type of the floats of an array, float32 or float64; float32 for anything else."""
    return np.float64 if _array(values, "x").dtype == np.float64 else np.float32
