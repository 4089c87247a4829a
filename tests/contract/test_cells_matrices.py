"""Coordinates and columns of cells: from obsm, X and layers, dense, sparse and as frames; donors with gaps."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from cfm.config.strict import Where, build
from cfm.datasets.reading import anndata_cells
from cfm.datasets.snapshots import Snapshots
from cfm.errors import UserError
from tests.small_cells import NAMES, PCS, TIME, annotated, h5ad, npz, snapshots

COUNTS = np.where(np.arange(120)[:, None] % 3 == np.arange(4), PCS, 0)
FORMS: list[Callable[[Any], Any]] = [
    np.asarray,
    scipy.sparse.csr_matrix,
    scipy.sparse.csc_matrix,
    scipy.sparse.csr_array,
    lambda x: scipy.sparse.csr_matrix(x.astype(np.int32)),
    lambda x: np.asarray(x, order="F"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("block", [1 << 22, 7])
def test_a_matrix_may_be_x_or_a_layer_of_every_form(
    tmp_path: Path, form: Callable[[Any], Any], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anndata_cells, "_BLOCK", block)
    stored = form(COUNTS)
    cells = annotated(stored, donor=[f"D{t % 2}" for t in TIME])
    cells.layers["counts"], cells.obsm["wide"] = stored, stored
    cells.write_h5ad(tmp_path / "cells.h5ad")
    expected = (stored.toarray() if hasattr(stored, "toarray") else stored)[:, :3]
    for matrix in ("X", "layers/counts", "wide"):
        found = snapshots(tmp_path / "cells.h5ad", matrix=matrix, dims=3)
        np.testing.assert_array_equal(found.cells().points, expected)
        some = found.__class__(**{**vars(found), "select": {"donor": "D1"}}).cells()
        np.testing.assert_array_equal(some.points, expected[TIME % 2 == 1])
        np.testing.assert_array_equal(some.names, NAMES[TIME % 2 == 1])


def test_a_matrix_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    cells = annotated()
    cells.layers["counts"] = np.ones((120, 1))
    cells.write_h5ad(tmp_path / "cells.h5ad")
    for name in ("X_umap", "counts", "layers"):
        with pytest.raises(UserError, match=rf"no matrix '{name}'; there are: X_pca, X, layers/counts$"):
            snapshots(tmp_path / "cells.h5ad", matrix=name).cells()
    bare = anndata.AnnData(obs=cells.obs, obsm={"X_pca": PCS})
    bare.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(UserError, match=r"no matrix 'X'; there are: X_pca$"):
        snapshots(tmp_path / "cells.h5ad", matrix="X").cells()


@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_matrix])
def test_a_wide_sparse_matrix_is_never_dense_in_memory(tmp_path: Path, form: Callable[[Any], Any]) -> None:
    """4,000 cells x 30,000 genes would be 960 MB."""
    rows = np.repeat(np.arange(4000), 60)
    genes = np.random.default_rng(0).integers(30_000, size=len(rows))
    genes[::60] = 1
    wide = form((np.ones(len(rows), np.float32), (rows, genes)), shape=(4000, 30_000))
    obs = pd.DataFrame({"t": np.arange(4000) % 4}, index=[f"c{i}" for i in range(4000)])
    anndata.AnnData(wide, obs=obs).write_h5ad(tmp_path / "wide.h5ad")
    cells = snapshots(tmp_path / "wide.h5ad", matrix="X", dims=50)
    cells.cells()  # modules are imported
    tracemalloc.start()
    points = cells.cells().points
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(points, wide[:, :50].toarray())
    assert peak < 40e6, f"{peak / 1e6:.0f} MB"


def test_a_frame_in_obsm_is_read_column_by_column(tmp_path: Path) -> None:
    cells = annotated()
    frame = pd.DataFrame(PCS, index=cells.obs_names, columns=list("abcd"))
    frame["c"], frame["d"] = pd.array(TIME, dtype="Int64"), pd.array(TIME > 1, dtype="boolean")
    frame["e"] = pd.Categorical(TIME.astype(str))
    frame["f"] = pd.array(np.where(TIME == 1, 0, 1), dtype="Int64")
    frame.loc["cell7", "f"] = pd.NA
    cells.obsm["frame"] = frame
    cells.write_h5ad(tmp_path / "cells.h5ad")
    points = snapshots(tmp_path / "cells.h5ad", matrix="frame").cells().points
    np.testing.assert_array_equal(points, np.column_stack([PCS[:, :2], TIME, TIME > 1]))
    with pytest.raises(UserError, match=r"'frame': its column 'e' is not of numbers: category$"):
        snapshots(tmp_path / "cells.h5ad", matrix="frame", dims=5).cells()
    cells.obsm["frame"] = frame[["a", "f"]]
    cells.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(UserError, match=r"1 of 120 cells have NaN or infinite values \(the first is row 7\)"):
        snapshots(tmp_path / "cells.h5ad", matrix="frame", dims=2).cells()


def _nullable() -> Any:
    donor = pd.array(TIME % 2, dtype="Int64")
    donor[3] = pd.NA
    return donor


def _without_one(values: list[Any]) -> list[Any]:
    return [None, *values[1:]]


DONORS: list[tuple[Callable[[], Any], str, int]] = [
    (_nullable, "1", 60),
    (_nullable, "0", 59),
    (lambda: np.where(np.arange(120) == 0, np.nan, TIME % 2), "1", 60),
    (lambda: np.where(np.arange(120) == 0, np.nan, TIME % 2), "0.0", 59),
    (lambda: pd.Categorical(_without_one([f"D{t % 2}" for t in TIME])), "D0", 59),
    (lambda: pd.Categorical(_without_one([int(t % 2) for t in TIME])), "1", 60),
    (lambda: pd.Categorical(_without_one([float(t % 2) for t in TIME])), "0", 59),
    (lambda: pd.array(_without_one([bool(t % 2) for t in TIME]), dtype="boolean"), "true", 60),
    (lambda: pd.array(_without_one([bool(t % 2) for t in TIME]), dtype="boolean"), "False", 59),
    (lambda: TIME % 2 == 1, "True", 60),
    (lambda: pd.Series(_without_one([f"{t % 2}" for t in TIME]), index=NAMES, dtype=object), "0", 59),
    (lambda: [f"{t % 2}.0" for t in TIME], "1", 60),  # floats that somebody turned into text
    (lambda: ["None" if t == 0 else "drug" for t in TIME], "None", 30),
]


@pytest.mark.parametrize(("donor", "asked", "count"), DONORS)
def test_donors_are_found_whatever_is_missing(tmp_path: Path, donor: Callable[[], Any], asked: str, count: int) -> None:
    path = h5ad(tmp_path, donor=donor(), t=np.arange(120) % 4)
    assert len(snapshots(path, select={"donor": asked}).cells().points) == count


@pytest.mark.parametrize("asked", ["nan", "<NA>", "", "2", "none"])
def test_missing_is_never_selected(tmp_path: Path, asked: str) -> None:
    for number, donor in enumerate((_nullable(), np.where(TIME == 1, np.nan, 1), _without_one(["D1"] * 120))):
        (tmp_path / f"{number}").mkdir()
        with pytest.raises(UserError, match=rf"no cell has donor '{asked}'; there are: "):
            snapshots(h5ad(tmp_path / f"{number}", donor=donor), select={"donor": asked}).cells()


def test_a_value_that_may_be_several_is_refused_and_one_without_quotes_explained(tmp_path: Path) -> None:
    path = npz(tmp_path, donor=np.array(["01", "1.0"])[TIME % 2])
    with pytest.raises(UserError, match=r"donor '1' may be any of 01, 1.0: write it as one of them$"):
        snapshots(path, select={"donor": "1"}).cells()
    entry = {"file": "a.npz", "matrix": "X", "labels": "t", "dims": 2}
    for value in (1, 1.5, True):
        with pytest.raises(UserError, match=r"select.donor: text is expected, got .*; write it in quotes"):
            build(Snapshots, {**entry, "select": {"donor": value}}, Where("datasets.yaml"))


def test_cells_have_the_names_of_their_file(tmp_path: Path) -> None:
    np.testing.assert_array_equal(snapshots(h5ad(tmp_path)).cells().names, NAMES)
    np.testing.assert_array_equal(snapshots(npz(tmp_path, names=NAMES)).cells().names, NAMES)
    genes = snapshots(npz(tmp_path, names=np.array(["a", "b", "c", "d"])), select={}).cells()
    np.testing.assert_array_equal(genes.names, np.arange(120).astype(str))


@pytest.mark.parametrize("name", ["X", "t", "donor"])
def test_an_array_of_python_objects_is_named_with_the_way_out(tmp_path: Path, name: str) -> None:
    arrays = {"X": PCS, "t": TIME, "donor": TIME}
    path = npz(tmp_path, **{**arrays, name: arrays[name].astype(object)})
    with pytest.raises(UserError, match=rf"'{name}' was saved as Python objects.*np.array\({name}, dtype=str\)"):
        snapshots(path, select={"donor": "1"}).cells()


def test_text_in_bytes_is_text(tmp_path: Path) -> None:
    path = npz(tmp_path, t=np.array(["D0", "D8", "D15", "D30"], "S3")[TIME])
    assert snapshots(path).cells().labels == ("D0", "D8", "D15", "D30")
