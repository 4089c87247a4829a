"""A samples file that somebody else wrote: can it be measured?

`x0` (n, dim), the points carried, those of the test set first; `trajectory` (T, n, dim) from them on at times `t` (T,),
or only its end `x1` (n, dim); `nfe`, `seconds`; optional `energy` (n,) at full resolution and `train_seconds`. Or
nothing but `failure`, a text that says why there are none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cfm.datasets.base import Prepared
from cfm.errors import UserError
from cfm.files import read_arrays

Arrays = Mapping[str, npt.NDArray[Any]]

_NEEDED = ("x0", "nfe", "seconds")
_KNOWN = {*_NEEDED, "trajectory", "t", "x1", "energy", "train_seconds"}


def read(path: Path, data: Prepared) -> tuple[Arrays, str | None]:
    """The arrays of a samples file, and in one line why they cannot be measured, if so."""
    try:
        stored = read_arrays(path)
    except UserError as error:
        return {}, f"{path.name}: " + ("damaged" if path.is_file() else "was not written") + _cause(error)
    reason = wrong(stored, data)
    return stored, None if reason is None else f"{path.name}: {reason}"


def _cause(error: UserError) -> str:
    return f" ({type(error.__cause__).__name__})" if error.__cause__ else ""


def wrong(stored: Arrays, data: Prepared) -> str | None:
    """What is wrong with the arrays of a samples file, in a few words; None if they can be measured.

    Whether the points it ends at are finite is asked in evaluation.
    """
    facts = _wrong_facts(stored)
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
    return _wrong_end(stored, x0) if "x1" in stored else _wrong_path(stored, x0, data.span)


def _wrong_facts(stored: Arrays) -> str | None:
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


def _wrong_end(stored: Arrays, x0: npt.NDArray[Any]) -> str | None:
    if "trajectory" in stored:
        return "both x1 and trajectory: one of them is needed"
    return (
        None if stored["x1"].shape == x0.shape else f"x0 {x0.shape}, x1 {stored['x1'].shape}: equal shapes are needed"
    )


def _wrong_path(stored: Arrays, x0: npt.NDArray[Any], span: tuple[float, float]) -> str | None:
    t, path = stored["t"], stored["trajectory"]
    if t.ndim != 1 or len(t) < 2 or not (np.diff(t) > 0).all() or not np.allclose(t[[0, -1]], span, atol=1e-5):
        return f"t is to ascend from {span[0]:g} to {span[1]:g}"
    if path.shape != (len(t), *x0.shape):
        return f"trajectory {path.shape}: {(len(t), *x0.shape)} is needed, as t and x0 have it"
    return None if np.array_equal(path[0], x0) else "trajectory does not start at x0"
