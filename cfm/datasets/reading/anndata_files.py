"""AnnData's files: .h5ad, and .zarr folders or zips, in all layouts that anndata reads, without loading all of them."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from cfm.datasets.reading.cell_files import Matrix, require, require_numbers
from cfm.datasets.reading.columns import Column, column_of
from cfm.errors import UserError
from cfm.files import check_archive
from cfm.types import Array, Floats, Indices

_BLOCK = 1 << 22  # numbers of a sparse matrix that are read at a time


class AnnDataFile:
    """`obs` is the table of cells; coordinates are in obsm, `X` or `layers/NAME`."""

    def __init__(self, path: Path) -> None:
        import h5py
        from anndata.io import read_elem

        self.path = path
        self.file: Any = h5py.File(path) if path.name.lower().endswith(".h5ad") else _zarr(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.obs = read_elem(self.file["obs"])

    def close(self) -> None:
        if hasattr(self.file, "close"):
            self.file.close()

    def names(self, cells: int) -> Array:
        return self.obs.index.to_numpy().astype(str)

    def column(self, name: str) -> Column:
        require(self.path, "column of obs:", name, self.obs.columns)
        column = column_of(np.asarray(self.obs[name]))
        assert column is not None
        return column

    def matrix(self, name: str) -> Matrix:
        from anndata.io import read_elem
        values = np.asarray(read_elem(self.file["obsm"][name]))
        return Matrix(*values.shape, lambda dims, rows: values[rows, :dims].astype(np.float64))
