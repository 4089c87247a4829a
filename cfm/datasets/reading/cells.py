"""Reading cells: their coordinates, times and names from a file, or one line that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cfm.datasets.reading.columns import Column, some
from cfm.datasets.reading.open_cells import open_cells
from cfm.datasets.reading.time_labels import Times, in_order
from cfm.errors import UserError
from cfm.types import Array, Flags, Floats, Indices


@dataclass(frozen=True)
class Cells:
    """Cells in the order of their file: `names` (n,), `points` (n, dims) in its units, `time` (n,).

    `time` is the place in `labels`, which are the times in order; `observed` are they as numbers, ascending or
    descending, if they are known as such. `notes`: what a user may want to know of how they were read, a line each.
    `rows`: where they are in the file.
    """

    names: Array
    points: Floats
    time: Indices
    labels: tuple[str, ...]
    observed: tuple[float, ...] | None
    rows: Indices
    notes: tuple[str, ...] = ()


def read_cells(
    path: Path, matrix: str, labels: str, select: Mapping[str, str], dims: int, times: Times | None = None
) -> Cells:
    """The cells whose columns have the values of `select`: the first `dims` columns of the matrix, all finite.

    npz: matrix and columns are arrays by name. h5ad and zarr: the matrix is in obsm, `X`, or one of the `layers/`; the
    columns are of obs. `times`: see `in_order`. `UserError` if there are none, or they have no times.
    """
    with open_cells(path) as file:
        coordinates = file.matrix(matrix)
        columns = {name: file.column(name) for name in (labels, *select)}
        for name, column in columns.items():
            if len(column) != coordinates.cells:
                raise UserError(
                    f"{path}: '{name}' has shape ({len(column)},), a value per cell ({coordinates.cells}) is expected"
                )
        if not 1 <= dims <= coordinates.columns:
            raise UserError(f"{path}: dims: {dims} columns are asked for, '{matrix}' has {coordinates.columns}")
        kept = np.flatnonzero(_selected(path, columns, select))
        found = columns[labels].of(kept)
        order = in_order(path, labels, found, times)
        time = np.append(order.places, -1)[found.codes]
        kept, time = kept[time >= 0], time[time >= 0]
        points = coordinates.first(dims, kept)
        bad = np.flatnonzero(~np.isfinite(points).all(1))
        if bad.size:
            raise UserError(
                f"{path}: '{matrix}': {bad.size} of {len(points)} cells have NaN or infinite values "
                f"(the first is row {kept[bad[0]]}): remove them from the file"
            )
        names = file.names(coordinates.cells)[kept]
        return Cells(names, points, time, order.labels, order.observed, kept, order.notes)


def _selected(path: Path, columns: Mapping[str, Column], select: Mapping[str, str]) -> Flags:
    kept = np.ones(len(next(iter(columns.values()))), bool)
    for name, value in select.items():
        places = columns[name].find(value)
        if not places:
            raise UserError(f"{path}: no cell has {name} '{value}'; there are: {some(columns[name].values)}")
        if len(places) > 1:
            alike = some(columns[name].values[k] for k in places)
            raise UserError(f"{path}: {name} '{value}' may be any of {alike}: write it as one of them")
        kept &= columns[name].codes == places[0]
    if not kept.any():
        raise UserError(f"{path}: no cell has {' and '.join(f'{n} {v!r}' for n, v in select.items())}")
    return kept
