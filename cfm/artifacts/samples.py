"""`samples/{solver}.npz`: where points were carried, by a method of this package or by somebody else's program.

`x0` (n, dim), the points carried, those of the test set first; `trajectory` (T, n, dim) from them on at times `t` (T,)
from 0 to 1, or only its end `x1` (n, dim); `nfe`, `seconds`; optional `energy` (n,) at full resolution and
`train_seconds`. Or nothing but `failure`, a text that says why there are none. That is the whole contract; what the
methods of this package know besides (log densities, classes, another target) has names of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cfm.datasets.base import Prepared
from cfm.errors import UserError
from cfm.files import read_arrays, write_arrays
from cfm.solvers.trajectory import Trajectory
from cfm.types import Array, Points

Arrays = Mapping[str, Array]

# Trajectories are thinned to at most this many times before they are stored.
STORED_TIMES = 26

_NEEDED = ("x0", "nfe", "seconds")
_KNOWN = {*_NEEDED, "trajectory", "t", "x1", "energy", "train_seconds"}


def as_arrays(path: Trajectory) -> dict[str, Array]:
    """The arrays of a trajectory, thinned; `energy` is that of all its times."""
    kept = np.unique(np.linspace(0, len(path.t) - 1, min(len(path.t), STORED_TIMES)).round().astype(int))
    arrays = {
        "x0": path.x[0],
        "trajectory": path.x[kept],
        "t": path.t[kept],
        "energy": path.energy,
        "nfe": np.int64(path.nfe),
        "seconds": np.float64(path.seconds),
    }
    return arrays if path.target is None else {**arrays, "target": path.target}


def write_samples(path: Path, arrays: Arrays, provenance: Mapping[str, Any]) -> None:
    """Write arrays, or nothing but `failure`, with the records of the stages that made them."""
    write_arrays(path, {**arrays, "provenance": np.array(json.dumps(provenance))})


def read_samples(path: Path) -> dict[str, Array]:
    """The arrays of a file that a stage has written; `UserError` if they are not such that they can be measured."""
    stored = read_arrays(path)
    if "failure" in stored:
        return stored
    for name in ("x0", "nfe", "seconds", "t" if "trajectory" in stored else "x1"):
        if name not in stored or stored[name].dtype.kind not in "fiu":
            raise UserError(f"{path}: damaged (no array of numbers '{name}'); delete it and run again")
    if stored["x0"].shape != ends(stored).shape:
        raise UserError(f"{path}: x0 {stored['x0'].shape}, x1 {ends(stored).shape}: equal shapes are needed")
    return stored


def ends(stored: Arrays) -> Points:
    """Where the points were carried to, (n, dim)."""
    x1: Points = stored["trajectory"][-1] if "trajectory" in stored else stored["x1"]
    return x1


def energies(stored: Arrays) -> Points | None:
    """The path energy of each point, (n,); None where only ends are known."""
    if "energy" in stored or "trajectory" not in stored:
        return stored.get("energy")
    return Trajectory(stored["t"], stored["trajectory"], 0, 0.0).energy


def provenance_of(path: Path, stored: Arrays) -> dict[str, Any]:
    """The records of the stages that made a samples file, by stage."""
    try:
        return dict(json.loads(str(stored.get("provenance", "{}"))))
    except (ValueError, TypeError):
        raise UserError(f"{path}: damaged (provenance is no JSON object); delete it and run again") from None


def read(path: Path, data: Prepared) -> tuple[Arrays, str | None]:
    """The arrays of a samples file, and in one line why they cannot be measured, if so."""
    try:
        stored = read_arrays(path)
    except UserError as error:
        return {}, f"{path.name}: " + ("damaged" if path.is_file() else "was not written") + _cause(error)
    reason = problem(stored, data)
    return stored, None if reason is None else f"{path.name}: {reason}"


def _cause(error: UserError) -> str:
    return f" ({type(error.__cause__).__name__})" if error.__cause__ else ""


def problem(stored: Arrays, data: Prepared) -> str | None:
    """What is wrong with the arrays of a samples file, in a few words; None if they can be measured.

    Whether the points it ends at are finite is asked in evaluation.
    """
    facts = _problem_of_facts(stored)
    if facts is not None or "failure" in stored:
        return facts
    x0 = stored["x0"]
    if x0.ndim != 2 or x0.shape[1] != data.dim:
        return f"x0 {x0.shape}: points in {data.dim} dimensions are needed, a row for each"
    if len(x0) < data.count("test"):
        return f"x0 {x0.shape}: a row for each of {data.count('test')} test points is needed"
    if not np.isfinite(x0).all():
        return "x0 is not finite"
    if not data.gaussian_source and not np.allclose(x0[: data.count("test")], data.source("test", 0)):
        return "x0 are other points than 'test_0', or in another order"
    if "energy" in stored and not (stored["energy"].shape == (len(x0),) and np.isfinite(stored["energy"]).all()):
        return f"energy {stored['energy'].shape}: a finite number for each of {len(x0)} points is needed"
    return _problem_of_end(stored, x0) if "x1" in stored else _problem_of_path(stored, x0)


def _problem_of_facts(stored: Arrays) -> str | None:
    try:
        if not isinstance(json.loads(str(stored.get("provenance", "{}"))), dict):
            raise ValueError
    except ValueError:
        return "provenance is no JSON object"
    if "failure" in stored:
        failure = stored["failure"]
        said = failure.dtype.kind == "U" and failure.ndim == 0 and str(failure).strip()
        return None if said and str(failure).isprintable() else "failure is no text of one line"
    for name in stored.keys() - {"provenance"}:
        if name not in _KNOWN:
            return f"unknown array '{name[:50]}'; known: {', '.join(sorted(_KNOWN))}"
        if stored[name].dtype.kind not in "fiu":
            return f"{name} is no array of numbers"
    absent = [name for name in _NEEDED if name not in stored]
    absent += [] if "x1" in stored else [name for name in ("trajectory", "t") if name not in stored]
    if absent:
        return f"array '{absent[0]}' is missing" + (", or 'x1'" if absent[0] == "trajectory" else "")
    for name in ("nfe", "seconds", "train_seconds"):
        value = stored.get(name, np.array(0))
        if value.ndim or not np.isfinite(value) or value < 0 or (name == "nfe" and value != int(value)):
            return f"{name} is to be one {'whole ' if name == 'nfe' else ''}number, 0 or more"
    return None


def _problem_of_end(stored: Arrays, x0: Array) -> str | None:
    if "trajectory" in stored:
        return "both x1 and trajectory: one of them is needed"
    return (
        None if stored["x1"].shape == x0.shape else f"x0 {x0.shape}, x1 {stored['x1'].shape}: equal shapes are needed"
    )


def _problem_of_path(stored: Arrays, x0: Array) -> str | None:
    t, path = stored["t"], stored["trajectory"]
    if t.ndim != 1 or len(t) < 2 or not (np.diff(t) > 0).all() or not np.allclose(t[[0, -1]], (0, 1), atol=1e-5):
        return "t is to ascend from 0 to 1"
    if path.shape != (len(t), *x0.shape):
        return f"trajectory {path.shape}: {(len(t), *x0.shape)} is needed, as t and x0 have it"
    return None if np.array_equal(path[0], x0) else "trajectory does not start at x0"
