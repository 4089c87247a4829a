"""`source_target/seed={seed}.json`: W2^2 between the sources of a seed and the test points, a fact of data and seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from cfm.errors import UserError
from cfm.files import read_json, write_json


def write_distances(path: Path, found: Mapping[str, float]) -> None:
    """Write W2^2 by test set."""
    write_json(path, found)


def read_distances(path: Path) -> dict[str, float]:
    """W2^2 by test set; `UserError` if the file is missing or holds anything else."""
    found = read_json(path)
    if not all(type(value) in (int, float) and math.isfinite(value) and value > 0 for value in found.values()):
        raise UserError(f"{path}: damaged (positive numbers by test set are expected); delete it and run again")
    return found
