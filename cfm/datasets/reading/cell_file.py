"""What is asked of an open file of cells, and what is said where it lacks something."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from cfm.datasets.reading.columns import Column, some
from cfm.errors import UserError
from cfm.types import Array, Floats, Indices

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Matrix:
    """Coordinates in a file: how many cells and columns, and how to read the first columns of some rows, float64."""

    cells: int
    columns: int
    first: Callable[[int, Indices], Floats]


class CellFile(Protocol):
    """An open file of cells; everything wrong with it is a `UserError` with its path.

    `obs`: the table of cells, if it is kept as one.
    """

    obs: pd.DataFrame | None

    def tells(self, name: str) -> bool:
        """Is there such a column?"""

    def names(self, cells: int) -> Array:
        """What so many cells are called, text (n,): the numbers of their rows if the file does not say it."""

    def column(self, name: str) -> Column:
        """A column of the table of cells."""

    def matrix(self, name: str) -> Matrix:
        """Coordinates, of numbers."""

    def close(self) -> None:
        """Nothing is read any more."""


def require(path: Path, what: str, name: str, present: Iterable[str]) -> None:
    """`UserError` with what there is unless `name` is present."""
    if name not in present:
        raise UserError(f"{path}: no {what} '{name}'; there are: {some(present)}")


def require_numbers(path: Path, name: str, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
    """`UserError` unless a matrix is one, of real numbers."""
    if len(shape) != 2 or np.dtype(dtype).kind not in "fiub":
        raise UserError(f"{path}: '{name}' is no matrix of numbers: {dtype} of shape {shape}")
