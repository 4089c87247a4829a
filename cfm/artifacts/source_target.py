"""`source_target/seed={seed}.json`: W2^2 between the sources of a seed and the test points, a fact of data and seed.

By test set; or nothing but `failure`, a text that says why there is none to divide by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from cfm.errors import RunFailed, UserError
from cfm.files import read_json, write_json


def write_distances(path: Path, found: Mapping[str, float] | str) -> None:
    """Write W2^2 by test set, or why it is not known."""
    write_json(path, {"failure": found} if isinstance(found, str) else found)


def read_distances(path: Path) -> dict[str, float]:
    """W2^2 by test set; `UserError` if the file is missing or holds anything else, RunFailed with a kept reason."""
    found = read_json(path)
    if isinstance(found.get("failure"), str):
        raise RunFailed(found["failure"])
    if not all(type(value) in (int, float) and math.isfinite(value) and value > 0 for value in found.values()):
        raise UserError(f"{path}: damaged (positive numbers by test set are expected); delete it and run again")
    return found
