"""AnnData's files: .h5ad, and .zarr folders or zips, in all layouts that anndata reads, without loading all of them."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cfm.datasets.reading.cell_file import Matrix, require, require_numbers
from cfm.datasets.reading.columns import Column, coded, some
from cfm.errors import UserError
from cfm.files import check_archive
from cfm.types import Array, Floats, Indices

if TYPE_CHECKING:
    import pandas as pd

_BLOCK = 1 << 22  # numbers of a sparse matrix that are read at a time


class AnnDataFile:
    """`obs` is the table of cells; coordinates are in obsm, `X` or `layers/NAME`, looked for in this order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.h5 = path.name.lower().endswith(".h5ad")
        self.file: Any = _h5(path) if self.h5 else _zarr(path)
        try:
            require(path, "table of cells", "obs", self.file)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # old layouts: "consider rewriting it"
                self.obs, self.obsm = self._tables()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if hasattr(self.file, "close"):
            self.file.close()

    def names(self, cells: int) -> Array:
        return self.obs.index.to_numpy().astype(str)

    def tells(self, name: str) -> bool:
        return name in self.obs.columns

    def column(self, name: str) -> Column:
        import pandas as pd

        require(self.path, "column of obs:", name, self.obs.columns)
        series = self.obs[name]
        try:
            if isinstance(series.dtype, pd.CategoricalDtype):
                codes, values = series.cat.codes.to_numpy().astype(np.int64), series.cat.categories.to_numpy()
                column = coded(values, codes, bool(series.cat.ordered))
                return column.of(np.arange(len(column)))
            found, distinct = pd.factorize(series, sort=True)
            return coded(np.asarray(distinct), found)
        except TypeError as error:
            raise UserError(f"{self.path}: '{name}' is a column of {series.dtype}: {error}") from None

    def matrix(self, name: str) -> Matrix:
        import pandas as pd
        from anndata.io import read_elem, sparse_dataset

        node = self._node(name)
        if "csr" in _encoding(node) or "csc" in _encoding(node):
            node = sparse_dataset(node)
        elif not hasattr(node, "shape"):
            node = read_elem(node)  # a data frame, or what is refused
        if isinstance(node, pd.DataFrame):
            frame = node
            return Matrix(
                len(frame), len(frame.columns), lambda dims, rows: self._of_frame(name, frame.iloc[rows, :dims])
            )
        require_numbers(self.path, name, getattr(node, "dtype", type(node).__name__), getattr(node, "shape", ()))
        cells, columns = node.shape
        if getattr(node, "format", None) == "csr":
            return Matrix(cells, columns, lambda dims, rows: _of_rows(node, dims, rows))
        return Matrix(cells, columns, lambda dims, rows: _dense(node[:, :dims])[rows].astype(np.float64))

    def _tables(self) -> tuple[pd.DataFrame, Any]:
        """`obs`, and what is in obsm, by name: in the file where the layout is a new one, else as anndata reads it."""
        from anndata import read_h5ad, read_zarr
        from anndata.io import read_elem

        if _encoding(self.file["obs"]) == "dataframe":
            return read_elem(self.file["obs"]), self.file.get("obsm", {})
        old = read_h5ad(_extract(self.file)) if self.h5 else read_zarr(self.file)
        return old.obs, dict(old.obsm)

    def _node(self, name: str) -> Any:
        if name in self.obsm:
            return self.obsm[name]
        others = [*(["X"] if "X" in self.file else []), *(f"layers/{layer}" for layer in self.file.get("layers", {}))]
        if name not in others:
            raise UserError(f"{self.path}: no matrix '{name}'; there are: {some([*self.obsm, *others])}")
        return self.file[name]

    def _of_frame(self, name: str, frame: pd.DataFrame) -> Floats:
        columns = []
        for title, column in frame.items():
            if column.dtype.kind not in "fiub":
                raise UserError(f"{self.path}: '{name}': its column '{title}' is not of numbers: {column.dtype}")
            columns.append(column.to_numpy(np.float64, na_value=np.nan))
        return np.stack(columns, axis=1)


def _encoding(node: Any) -> str:
    """What anndata calls it, in old files too; nothing where it says nothing."""
    attributes = getattr(node, "attrs", {})
    found = attributes.get("encoding-type", attributes.get("h5sparse_format", ""))
    return found.decode() if isinstance(found, bytes) else str(found)


def _h5(path: Path) -> Any:
    import h5py

    return h5py.File(path)


def _zarr(path: Path) -> Any:
    import zarr
    from zarr.storage import ZipStore

    if path.is_dir():
        return zarr.open_group(path, mode="r")
    check_archive(path)
    return zarr.open_group(ZipStore(path, mode="r"), mode="r")


def _extract(file: Any) -> io.BytesIO:
    """A file in memory with only what an old layout keeps of the cells: their table, its categories, and obsm."""
    import h5py

    extract = io.BytesIO()
    with h5py.File(extract, "w") as small:
        for name in ("obs", "obsm"):
            if name in file:
                file.copy(name, small)
        for name in file.get("uns", ()):
            if name.endswith("_categories"):
                file.copy(f"uns/{name}", small.require_group("uns"))
    extract.seek(0)
    return extract


def _of_rows(matrix: Any, dims: int, rows: Indices) -> Floats:
    """Of a sparse matrix stored by rows, which is read a number of rows at a time."""
    ends = np.asarray(matrix.group["indptr"][:])
    found, first = np.empty((len(rows), dims)), 0
    while first < matrix.shape[0]:
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + _BLOCK, side="right")) - 1)
        here = (rows >= first) & (rows < last)
        if here.any():
            found[here] = matrix[first:last][:, :dims].toarray()[rows[here] - first]
        first = last
    return found


def _dense(values: Any) -> Array:
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values)
