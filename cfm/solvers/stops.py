"""Carrying points through several times, forwards or backwards, by the ODE of a velocity field."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from cfm.settings import Solver
from cfm.solvers.ode import Field
from cfm.solvers.transport import carry
from cfm.types import Points

_AT_ONCE = 4096  # points that are solved together: what is read off between two times is proportional to their number


def carry_through(
    field: Field,
    x: Points,
    solver: Solver,
    times: Sequence[float],
    unit: float,
    labels: Points | None = None,
    device: torch.device | str = "cpu",
) -> Points:
    """Where points (n, dim), which are at the first of the times, are at each of them, (T, n, dim); raises RunFailed.

    Times may descend. A fixed scheme takes its steps in one `unit` of time: between two times there are as many as it
    takes for none to be longer.
    """
    path = [x]
    for start, end in itertools.pairwise(times):
        steps = None if solver.steps is None else max(1, math.ceil(solver.steps * abs(end - start) / unit - 1e-6))
        between = replace(solver, steps=steps, batch=solver.batch or _AT_ONCE)
        moved = path[-1]
        if start != end:
            moved = carry(field, moved, between, (start, end), labels, device).x[-1]
        path.append(moved)
    return np.stack(path)
