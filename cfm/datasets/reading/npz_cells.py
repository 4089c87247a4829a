"""Cells in an npz: arrays by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cfm.datasets.reading.cell_file import Matrix, require, require_numbers
from cfm.datasets.reading.columns import Column, column_of
from cfm.errors import UserError
from cfm.files import check_archive
from cfm.types import Array

_NAMES = ("obs_names", "cell_names", "names")  # of arrays that name cells


class NpzFile:
    """Arrays by name: matrices (cells x columns) and columns (cells,)."""

    obs = None

    def __init__(self, path: Path) -> None:
        check_archive(path)
        self.path, self.stored = path, np.load(path, allow_pickle=False)

    def tells(self, name: str) -> bool:
        return name in self.stored.files

    def close(self) -> None:
        self.stored.close()

    def names(self, cells: int) -> Array:
        for name in _NAMES:
            if name in self.stored.files:
                found = self._array(name)
                if found.shape == (cells,) and found.dtype.kind in "US":
                    return found.astype(str)
        return np.arange(cells).astype(str)

    def column(self, name: str) -> Column:
        array = self._array(name)
        column = column_of(array)
        if column is None:
            raise UserError(
                f"{self.path}: '{name}' has shape {array.shape} of {array.dtype}, text or numbers, a value per cell, "
                "are expected"
            )
        return column

    def matrix(self, name: str) -> Matrix:
        array = self._array(name)
        require_numbers(self.path, name, array.dtype, array.shape)
        return Matrix(len(array), array.shape[1], lambda dims, rows: array[rows, :dims].astype(np.float64))

    def _array(self, name: str) -> Array:
        require(self.path, "array", name, self.stored.files)
        try:
            array: Array = self.stored[name]
        except ValueError as error:
            if "Object arrays" not in str(error):
                raise
            raise UserError(
                f"{self.path}: '{name}' was saved as Python objects, which are not read, since that may run a program: "
                f"save it as text, np.array({name}, dtype=str), or as numbers, np.array({name}, dtype=float)"
            ) from None
        return array
