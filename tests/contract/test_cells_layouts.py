"""Files of AnnData in the layouts of its history: what `anndata.read_h5ad` reads is read, with the same values."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pytest
import scipy.sparse

from cfm.errors import UserError
from tests.small_cells import NAMES, PCS, TIME, annotated, h5ad, snapshots

DAYS = np.array([2, 8, 10, 24])
COUNTS = np.where(np.arange(120)[:, None] % 3 == np.arange(4), PCS, 0)


def _compound(dtype: Any = "i1", index: str = "index", **columns: Any) -> np.ndarray:
    obs = np.zeros(120, [(index, "S8"), ("t", dtype), *((name, column.dtype) for name, column in columns.items())])
    obs[index], obs["t"] = NAMES.astype("S8"), TIME
    for name, column in columns.items():
        obs[name] = column
    return obs


def _obsm() -> np.ndarray:
    obsm = np.zeros(120, [("X_pca", "f4", (4,)), ("X_umap", "f8", (2,))])
    obsm["X_pca"] = PCS
    return obsm


def layout_0_6(path: Path) -> None:
    """obs and obsm as tables of HDF5, categories in uns."""
    with h5py.File(path, "w") as file:
        file["obs"], file["obsm"], file["X"] = _compound(), _obsm(), COUNTS
        file["var"] = np.zeros(4, [("index", "S2")])
        file["uns/t_categories"] = DAYS


def layout_0_6_of_text(path: Path) -> None:
    """Categories of text, and of something else in uns."""
    with h5py.File(path, "w") as file:
        file["obs"], file["obsm"] = _compound(donor=(TIME % 2).astype("i1")), _obsm()
        file["uns/t_categories"] = np.array([f"{day}" for day in DAYS], h5py.string_dtype())
        file["uns/louvain/params/resolution"] = 1.0


def layout_0_5_sparse(path: Path) -> None:
    """No categories; a sparse X with `h5sparse_format`; the table's index has another name."""
    with h5py.File(path, "w") as file:
        obs = _compound("f8", index="cell_id")
        obs["t"] = DAYS[TIME]
        file["obs"], file["obsm"] = obs, _obsm()
        matrix, group = scipy.sparse.csr_matrix(COUNTS), file.create_group("X")
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", matrix.shape
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(matrix, name)


def layout_0_7(path: Path) -> None:
    """obs as a group, its categories in `__categories`; nothing said of the file as a whole."""
    with h5py.File(path, "w") as file:
        obs = file.create_group("obs")
        obs.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.1.0", "_index": "_index"})
        obs.attrs["column-order"] = np.array(["t"], h5py.string_dtype())
        obs["_index"] = NAMES.astype(h5py.string_dtype())
        obs["t"], obs["__categories/t"] = TIME.astype("i1"), DAYS
        obs["__categories/t"].attrs["ordered"] = False
        obs["t"].attrs["categories"] = obs["__categories/t"].ref
        file["obsm/X_pca"], file["X"] = PCS, COUNTS


def layout_of_today(path: Path) -> None:
    found = annotated(COUNTS)
    found.obs["t"] = DAYS[TIME]
    found.write_h5ad(path)


LAYOUTS = [layout_0_6, layout_0_6_of_text, layout_0_5_sparse, layout_0_7, layout_of_today]


@pytest.mark.parametrize("write", LAYOUTS)
def test_every_layout_gives_what_anndata_reads(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "cells.h5ad"
    write(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = anndata.read_h5ad(path)
    cells = snapshots(path).cells()
    np.testing.assert_array_equal(cells.points, expected.obsm["X_pca"])
    np.testing.assert_array_equal(cells.names, expected.obs_names)
    assert cells.labels == ("2", "8", "10", "24") and cells.observed == (2, 8, 10, 24)
    assert [cells.labels[k] for k in cells.time] == [str(int(float(t))) for t in expected.obs["t"]]
    if expected.X is not None:
        found = snapshots(path, matrix="X").cells().points
        np.testing.assert_array_equal(found, COUNTS)


def test_an_old_table_is_asked_by_its_categories_not_their_codes(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    with h5py.File(path, "w") as file:
        file["obs"], file["obsm"] = _compound(donor=(TIME % 2).astype("i1")), _obsm()
        file["uns/donor_categories"] = np.array(["1", "0"], h5py.string_dtype())
    cells = snapshots(path, select={"donor": "0"}).cells()
    assert cells.labels == ("1", "3")
    np.testing.assert_array_equal(cells.points, PCS[TIME % 2 == 1])


@pytest.mark.parametrize("form", [2, 3])
@pytest.mark.parametrize("zipped", [False, True])
def test_zarr_stores_of_both_formats_and_in_a_zip(tmp_path: Path, form: int, zipped: bool) -> None:
    import zarr

    path = tmp_path / ("cells.zarr.zip" if zipped else "cells.zarr")
    found = annotated(scipy.sparse.csr_matrix(COUNTS), donor=[f"D{t % 2}" for t in TIME])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = zarr.storage.ZipStore(path, mode="w") if zipped else zarr.storage.LocalStore(path)
        anndata.io.write_elem(zarr.open_group(store, mode="w", zarr_format=form), "/", found)
        store.close()
    for matrix, points in (("X_pca", PCS), ("X", COUNTS)):
        cells = snapshots(path, matrix=matrix, select={"donor": "D1"}).cells()
        np.testing.assert_array_equal(cells.points, points[TIME % 2 == 1])
        np.testing.assert_array_equal(cells.names, NAMES[TIME % 2 == 1])


def test_an_old_zarr_store_is_read_as_anndata_does(tmp_path: Path) -> None:
    import zarr

    path = tmp_path / "cells.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    obs = _compound()
    group.create_array("obs", data=obs)
    group.create_array("uns/t_categories", data=DAYS)
    group.create_array("obsm/X_pca", data=PCS)
    cells = snapshots(path).cells()
    assert cells.labels == ("2", "8", "10", "24")
    np.testing.assert_array_equal(cells.points, PCS)


@pytest.mark.parametrize("name", ["cells.h5ad", "cells.zarr"])
def test_what_is_no_anndata_is_said(tmp_path: Path, name: str) -> None:
    import zarr

    path = tmp_path / name
    if name.endswith("zarr"):
        zarr.open_group(path, mode="w").create_array("matrix", data=PCS)
    else:
        with h5py.File(path, "w") as file:
            file["matrix"] = PCS
    with pytest.raises(UserError, match=r"no table of cells 'obs'; there are: matrix$"):
        snapshots(path).cells()


def test_a_folder_that_is_no_store_is_said(tmp_path: Path) -> None:
    (tmp_path / "cells.zarr").mkdir()
    with pytest.raises(UserError, match=r"cells.zarr: cannot be read \(") as error:
        snapshots(tmp_path / "cells.zarr").cells()
    assert "\n" not in str(error.value)


def test_reading_leaves_the_file_as_it_is_and_closed(tmp_path: Path) -> None:
    path = h5ad(tmp_path)
    before = path.read_bytes()
    snapshots(path).cells()
    assert path.read_bytes() == before
    with h5py.File(path, "a"):  # refused while it is open for reading
        pass
