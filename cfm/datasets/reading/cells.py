"""Reading cells: a matrix and a time label from an npz or h5ad file, or one line that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cfm.errors import UserError
from cfm.files import check_archive

Columns = dict[str, npt.NDArray[Any]]


def read_cells(
    path: Path, matrix: str, labels: str, select: Mapping[str, str], dims: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The first `dims` columns of the matrix (cells x columns) and the time of every cell, both finite.

    npz: both are arrays by name. h5ad: the matrix is in obsm, the time is a column of obs. `select` keeps the cells
    whose column has the given value.
    """
    read = {".npz": _read_npz, ".h5ad": _read_h5ad}.get(path.suffix)
    if read is None:
        raise UserError(f"{path}: a file that ends in .npz or .h5ad is expected")
    try:
        values, columns = read(path, matrix, [labels, *select])
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: cannot be read ({type(error).__name__}: {' '.join(str(error).split())})") from error
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise UserError(f"{path}: '{matrix}' is no matrix of numbers: {values.dtype} of shape {values.shape}")
    for name, column in columns.items():
        if column.shape != values.shape[:1]:
            raise UserError(f"{path}: '{name}' has shape {column.shape}, a value per cell ({len(values)}) is expected")
    if not 1 <= dims <= values.shape[1]:
        raise UserError(f"{path}: dims: {dims} columns are asked for, '{matrix}' has {values.shape[1]}")
    kept = _selected(path, columns, select)
    points = np.asarray(values[:, :dims], np.float64)[kept]
    bad = np.flatnonzero(~np.isfinite(points).all(1))
    if bad.size:
        raise UserError(
            f"{path}: '{matrix}': {bad.size} of {len(points)} cells have NaN or infinite values "
            f"(the first is row {np.flatnonzero(kept)[bad[0]]}): remove them from the file"
        )
    return points, _times(path, labels, columns[labels][kept])


def _selected(path: Path, columns: Columns, select: Mapping[str, str]) -> npt.NDArray[np.bool_]:
    kept = np.ones(len(next(iter(columns.values()))), bool)
    for name, value in select.items():
        present = columns[name].astype(str)
        if value not in present:
            raise UserError(f"{path}: no cell has {name} '{value}'; there are: {_some(np.unique(present))}")
        kept &= present == value
    if not kept.any():
        raise UserError(f"{path}: no cell has {' and '.join(f'{n} {v!r}' for n, v in select.items())}")
    return kept


def _times(path: Path, name: str, labels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    try:
        if labels.dtype.kind in "mM":
            raise TypeError
        times = labels.astype(np.float64)
    except (TypeError, ValueError):
        found = _some(np.unique(labels.astype(str)))
        raise UserError(f"{path}: '{name}': a time is a number, found: {found}: number the times 0, 1, ...") from None
    bad = np.flatnonzero(~np.isfinite(times))
    if bad.size:
        raise UserError(f"{path}: '{name}': {bad.size} of {len(times)} cells have no time (NaN): remove them")
    return times


def _read_npz(path: Path, matrix: str, names: list[str]) -> tuple[npt.NDArray[Any], Columns]:
    check_archive(path)
    with np.load(path, allow_pickle=False) as stored:
        for name in (matrix, *names):
            _check(path, "array", name, stored.files)
        return stored[matrix], {name: stored[name] for name in names}


def _read_h5ad(path: Path, matrix: str, names: list[str]) -> tuple[npt.NDArray[Any], Columns]:
    import h5py
    from anndata.io import read_elem

    with h5py.File(path) as file:
        _check(path, "matrix in obsm:", matrix, file["obsm"])
        obs: Any = read_elem(file["obs"])
        for name in names:
            _check(path, "column of obs:", name, obs.columns)
        values: Any = read_elem(file["obsm"][matrix])
        values = values.toarray() if hasattr(values, "toarray") else values
        return np.asarray(values), {name: np.asarray(obs[name]) for name in names}


def _check(path: Path, what: str, name: str, present: Iterable[str]) -> None:
    if name not in present:
        raise UserError(f"{path}: no {what} '{name}'; there are: {_some(present)}")


def _some(values: Iterable[object]) -> str:
    texts = [str(value) for value in values]
    return ", ".join(texts[:12]) + (f" and {len(texts) - 12} more" if len(texts) > 12 else "") or "none"
