"""Conditional flow matching, reproduced: the `how` of the benchmark (the `what` is in config/)."""

from __future__ import annotations

import importlib
import os
from typing import Any

__version__ = "0.1.0"


def load(run: str | os.PathLike[str], checkpoint: str | None = None, device: str = "cpu") -> Any:
    """A run from its folder, such as results/quick/toy2d/moons_8gaussians/otcfm/seed=42, for use from Python.

    The object that comes back has `velocity(t, x)`, `sample(n, solver)`, `carry(x, start, end)` and `log_density(x)`,
    on arrays of NumPy: see `cfm.stages.loaded.LoadedRun`. `checkpoint`: "best", "last" or "average", by default the
    one that the run's samples were made with. Raises `cfm.errors.UserError` with one line that says what is wrong.
    """
    # By name and only now: whoever imports a part of the package must not load all of it.
    return importlib.import_module("cfm.stages.load").load(run, checkpoint, device)
