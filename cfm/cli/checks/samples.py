"""Samples: of the shape that evaluation reads, and close to the target after a training of seconds."""

from __future__ import annotations

import numpy as np

from cfm.cli.checks.problem import TEXT, source, target
from cfm.cli.checks.trial import Trial
from cfm.couplings.assignment import wasserstein2_squared
from cfm.errors import UserError

_POINTS = 400


def samples_are_paths(trial: Trial) -> None:
    """Samples are finite paths (T, n, dim) from the given points, at times from 0 to 1, and the same twice.

    Those that bring their own target have starts of their own.
    """
    trial.need(training=False)
    x0, path = source(_POINTS), trial.sample(_POINTS, trained=False)
    shape = (len(path.t), len(x0) if path.target is None else path.x.shape[1], x0.shape[1])
    if path.x.shape != shape or len(path.t) < 2:
        raise UserError(f"`sample` returns x of shape {path.x.shape}, not (T, n, dim) = {shape} with T = len(t) >= 2")
    if (path.t[0], path.t[-1]) != (0, 1) or not (np.diff(path.t) > 0).all():
        raise UserError(f"`sample` returns times from {path.t[0]} to {path.t[-1]}: they have to rise from 0 to 1")
    if not np.isfinite(path.x).all():
        raise UserError("`sample` returns points that are not finite: raise RunFailed with the reason instead")
    if path.target is None and not np.array_equal(path.x[0], x0):
        raise UserError("`sample` returns paths that begin elsewhere than at `start.x0`: x[0] has to be these points")
    if not np.array_equal(path.x, trial.sample(_POINTS, trained=False).x):
        raise UserError("`sample` returns other points the second time: draw from `start.rng`, not globally")


def learns(trial: Trial) -> None:
    """A training of seconds halves W2 between source and target."""
    trial.need(training=True)
    x0, x1, moved = (
        x.astype(np.float64) for x in (source(_POINTS), target(_POINTS), trial.sample(_POINTS, trained=True).x[-1])
    )
    before, after = (wasserstein2_squared(x, x1) ** 0.5 for x in (x0, moved))
    if not after < 0.5 * before:
        raise UserError(
            f"{trial.settings.steps} steps from {TEXT} do not halve W2 to the target: {before:.2f} became {after:.2f}; "
            "look whether `loss` falls, and whether `velocity` or `sample` use the network as `loss` trains it"
        )
