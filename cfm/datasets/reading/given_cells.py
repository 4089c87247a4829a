"""Cells that are given to a trained method, in a file like the one it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cfm.datasets.reading.cell_file import CellFile
from cfm.datasets.reading.cells import Cells
from cfm.datasets.reading.columns import some
from cfm.datasets.reading.open_cells import open_cells
from cfm.datasets.snapshots import Snapshots
from cfm.errors import UserError
from cfm.types import Array, Floats, Indices

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class GivenCells:
    """`names` (n,), `points` (n, dims) in the units of the file, and what its table says of these cells, if it has one.

    `path` is the file, `key` what it calls the coordinates; `left` of its cells are of other times.
    """

    path: Path
    key: str
    names: Array
    points: Floats
    obs: pd.DataFrame | None
    left: int = 0


def cells_of(dataset: Snapshots, found: Cells, time: int) -> GivenCells:
    """Those of the data set itself, its `cells()`, at a time, by its place."""
    path, here = dataset.source.verified(), found.time == time
    with open_cells(path) as file:
        obs = _table(file, found.rows[here], dataset.labels)
    return GivenCells(path, dataset.matrix, found.names[here], found.points[here], obs, int((~here).sum()))


def cells_in(path: Path, dataset: Snapshots, labels: Sequence[str]) -> GivenCells:
    """Those in a file whose time has one of some labels; all of them if it tells no times.

    Matrix, number of columns, and column of times are those of the data set; which cells it selects does not matter.
    """
    with open_cells(path) as file:
        coordinates = file.matrix(dataset.matrix)
        if coordinates.columns < dataset.dims:
            raise UserError(
                f"{path}: '{dataset.matrix}' has {coordinates.columns} columns, {dataset.dims} were trained on"
            )
        rows = np.arange(coordinates.cells)
        if file.tells(dataset.labels):
            column = file.column(dataset.labels)
            codes = [code for label in labels for code in column.find(label)]
            rows = np.flatnonzero(np.isin(column.codes, codes))
            if not len(rows):
                raise UserError(
                    f"{path}: no cell has {dataset.labels} '{' or '.join(labels)}'; there are: {some(column.values)}"
                )
        points = coordinates.first(dataset.dims, rows)
        return GivenCells(
            path,
            dataset.matrix,
            file.names(coordinates.cells)[rows],
            _finite(path, points, rows),
            _table(file, rows, dataset.labels),
            coordinates.cells - len(rows),
        )


def points_in(path: Path, dim: int) -> GivenCells:
    """Points of a data set that are no cells: the array `points` of a file."""
    with open_cells(path) as file:
        coordinates = file.matrix("points")
        if coordinates.columns != dim:
            raise UserError(f"{path}: 'points' has {coordinates.columns} columns, {dim} were trained on")
        rows = np.arange(coordinates.cells)
        points = _finite(path, coordinates.first(dim, rows), rows)
        return GivenCells(path, "points", file.names(coordinates.cells), points, None)


def _table(file: CellFile, rows: Indices, label: str) -> pd.DataFrame | None:
    """Columns of numbers, text and categories of some cells; of a file without a table their times, if it has them."""
    import pandas as pd

    if file.obs is not None:
        plain = {name: _plain(column) for name, column in file.obs.iloc[rows].items()}
        return pd.DataFrame({name: column for name, column in plain.items() if column is not None})
    if not file.tells(label):
        return None
    column = file.column(label)
    known = np.array([*column.values, ""], dtype=object)[column.codes[rows]]  # of -1, no time, that is ""
    return pd.DataFrame({label: pd.Categorical(known, [*column.values])})


def _plain(column: pd.Series) -> pd.Series | None:
    """A column as anndata writes it; None if it is of other things."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        return None if _plain(column.cat.categories.to_series()) is None else column
    if column.dtype.kind in ("fiub" if isinstance(column.dtype, np.dtype) else "iub"):
        return column
    known = column.dropna()
    return column.astype("category") if len(known) and all(isinstance(value, str) for value in known) else None


def _finite(path: Path, points: Floats, rows: Indices) -> Floats:
    bad = np.flatnonzero(~np.isfinite(points).all(1))
    if bad.size:
        raise UserError(
            f"{path}: {bad.size} of {len(points)} cells have NaN or infinite values (the first is row {rows[bad[0]]}): "
            "remove them from the file"
        )
    if not len(points):
        raise UserError(f"{path}: there are no cells in it")
    return points
