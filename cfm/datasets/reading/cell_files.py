"""Files of cells: an npz of arrays here, AnnData's files beside; which is which by the ending of the name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cfm.datasets.reading.columns import Column, column_of, some
from cfm.errors import UserError
from cfm.files import check_archive
from cfm.types import Array, Floats, Indices

_NAMES = ("obs_names", "cell_names", "names")  # of arrays that name cells
_READ = ".npz, .h5ad or .zarr"
_CONVERT = {
    ".h5ad.gz": "unpack it with gunzip",
    ".h5mu": "write one modality of it: mudata.read_h5mu(file).mod[name].write_h5ad(...)",
    ".loom": "anndata.read_loom(file).write_h5ad(...)",
    ".rds": "in R, SeuratDisk or zellkonverter write a Seurat or SingleCellExperiment object as .h5ad",
    ".h5seurat": "in R: SeuratDisk::Convert(file, dest = 'h5ad')",
    ".h5": "scanpy.read_10x_h5(file), coordinates and times added, .write_h5ad(...)",
    ".mtx": "scanpy.read_10x_mtx(folder), coordinates and times added, .write_h5ad(...)",
    ".npy": "np.savez(file, X=matrix, t=times)",
    ".csv": "t = pandas.read_csv(file); np.savez(file, X=t[coordinates].to_numpy(), t=t[time].to_numpy(str))",
}
_CONVERT |= dict.fromkeys((".tsv", ".txt", ".csv.gz", ".tsv.gz", ".parquet", ".xlsx"), _CONVERT[".csv"])


@dataclass(frozen=True)
class Matrix:
    """Coordinates in a file: how many cells and columns, and how to read the first columns of some rows, float64."""

    cells: int
    columns: int
    first: Callable[[int, Indices], Floats]


class CellFile(Protocol):
    """An open file of cells; everything wrong with it is a `UserError` with its path."""

    def names(self, cells: int) -> Array:
        """What so many cells are called, text (n,): the numbers of their rows if the file does not say it."""

    def column(self, name: str) -> Column:
        """A column of the table of cells."""

    def matrix(self, name: str) -> Matrix:
        """Coordinates, of numbers."""

    def close(self) -> None:
        """Nothing is read any more."""


def open_cells(path: Path) -> AbstractContextManager[CellFile]:
    """The file, to be used in a `with` statement; what it has of a wrong kind or damaged is said there too."""
    name = path.name.lower()
    if name.endswith(".npz"):
        return Opened(path, NpzFile)
    if name.endswith((".h5ad", ".zarr", ".zarr.zip")):
        from cfm.datasets.reading.anndata_files import AnnDataFile

        return Opened(path, AnnDataFile)
    ending = next((known for known in sorted(_CONVERT, key=len, reverse=True) if name.endswith(known)), None)
    how = f"to convert it: {_CONVERT[ending]}" if ending else "others have to be converted first"
    raise UserError(f"{path}: a file that ends in {_READ} is expected; {how}")


class Opened(AbstractContextManager[Any]):
    """Opens a file at the beginning of a `with` statement, closes it at the end, says in one line what went wrong."""

    def __init__(self, path: Path, kind: Callable[[Path], Any]) -> None:
        self.path, self.kind = path, kind

    def __enter__(self) -> CellFile:
        try:
            self.file = self.kind(self.path)
        except Exception as error:
            raise unreadable(self.path, error) from error
        return self.file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.file.close()
        if isinstance(error, Exception):
            raise unreadable(self.path, error) from error


def unreadable(path: Path, error: Exception) -> UserError:
    """What a reader says of a file, in one line; what is said already stays."""
    if isinstance(error, UserError):
        return error
    return UserError(f"{path}: cannot be read ({type(error).__name__}: {' '.join(str(error).split())})")


class NpzFile:
    """Arrays by name: matrices (cells x columns) and columns (cells,)."""

    def __init__(self, path: Path) -> None:
        check_archive(path)
        self.path, self.stored = path, np.load(path, allow_pickle=False)

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


def require(path: Path, what: str, name: str, present: Iterable[str]) -> None:
    """`UserError` with what there is unless `name` is present."""
    if name not in present:
        raise UserError(f"{path}: no {what} '{name}'; there are: {some(present)}")


def require_numbers(path: Path, name: str, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
    """`UserError` unless a matrix is one, of real numbers."""
    if len(shape) != 2 or np.dtype(dtype).kind not in "fiub":
        raise UserError(f"{path}: '{name}' is no matrix of numbers: {dtype} of shape {shape}")
