"""Which solver is meant: one of the run's experiment by its name, or a scheme with its steps or tolerance."""

from __future__ import annotations

import math
import typing
from collections.abc import Mapping
from dataclasses import replace

from cfm.errors import UserError, nearest
from cfm.settings import Solver

SCHEMES = typing.get_args(typing.get_type_hints(Solver)["scheme"])
_ADAPTIVE, _TOLERANCE = "dopri5", 1e-5


def chosen_solver(
    known: Mapping[str, Solver],
    name: str | Solver | None = None,
    steps: int | None = None,
    tolerance: float | None = None,
) -> Solver:
    """The solver of that name; a scheme with `steps` or, dopri5, with `tolerance` (1e-5 unless given).

    Without a name the adaptive solver of the experiment, or dopri5 if it has none. `UserError` on an unknown name, and
    on steps and tolerances that do not go with it.
    """
    if isinstance(name, Solver):
        return name
    if name is None:
        name = next((n for n, solver in known.items() if solver.tolerance is not None), _ADAPTIVE)
    if not isinstance(name, str) or name not in {*known, *SCHEMES}:
        raise UserError(f"unknown solver {name!r}; {nearest(str(name), {*known, *SCHEMES})}")
    if steps is None and tolerance is None and name in known:
        return known[name]
    base = known.get(name, Solver(name))  # type: ignore[arg-type]  # one of the schemes
    if base.scheme == _ADAPTIVE:
        if steps is not None:
            raise UserError(f"solver '{name}' takes a tolerance, no steps")
        return replace(base, tolerance=_checked_tolerance(tolerance))
    if tolerance is not None:
        raise UserError(f"solver '{name}' takes steps, no tolerance")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise UserError(f"solver '{name}': steps: a whole number from 1 on is expected, got {steps!r}")
    return replace(base, steps=steps)


def solver_text(solver: Solver) -> str:
    """A solver in words."""
    return f"{solver.scheme}, " + (
        f"tolerance {solver.tolerance:g}" if solver.steps is None else f"{solver.steps} steps"
    )


def _checked_tolerance(tolerance: float | None) -> float:
    if tolerance is None:
        return _TOLERANCE
    if not isinstance(tolerance, int | float) or not (0 < tolerance < 1) or not math.isfinite(tolerance):
        raise UserError(f"tolerance: a number between 0 and 1 is expected, got {tolerance!r}")
    return float(tolerance)
