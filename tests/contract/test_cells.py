"""Files of cells: both layouts give the same snapshots, and everything wrong with a file is one line that says what."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cfm.datasets import reading
from cfm.datasets.reading.cells import read_cells
from cfm.datasets.snapshots import Snapshots
from cfm.errors import UserError
from cfm.rng import stream

DAYS = np.repeat([2, 3, 4, 7], 20)
PCS = stream(0, "cells").standard_normal((80, 6)).astype(np.float32)
DONOR = np.where(np.arange(80) % 2, 32606, 13176)


def _npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "cells.npz", **{"pcs": PCS, "sample_labels": DAYS, **arrays})
    return folder / "cells.npz"


def _h5ad(folder: Path, obsm: str = "X_pca", **columns: Any) -> Path:
    """As the two files of the paper: X_pca in obsm; in obs the day and the donor, here as a category."""
    import anndata
    import pandas as pd

    obs = pd.DataFrame({"day": DAYS, "donor": pd.Categorical(DONOR), **columns}).set_axis(
        [f"cell{i}" for i in range(80)]
    )
    anndata.AnnData(np.ones((80, 3), np.float32), obs=obs, obsm={obsm: PCS}).write_h5ad(folder / "cells.h5ad")
    return folder / "cells.h5ad"


def _dataset(path: Path, **settings: Any) -> Snapshots:
    names = {".npz": ("pcs", "sample_labels"), ".h5ad": ("X_pca", "day")}[path.suffix]
    known = {"matrix": names[0], "labels": names[1], "dims": 5, "snapshots": 4, "left_out": 1}
    return Snapshots(**{"file": str(path), **known, **settings})


def test_both_layouts_give_the_same(tmp_path: Path) -> None:
    one, two = (_dataset(write(tmp_path)).prepare(None) for write in (_npz, _h5ad))
    assert set(one) == set(two) and len(one) == 8
    for name, array in one.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, two[name])


@pytest.mark.parametrize("write", [_npz, _h5ad])
def test_cells_of_one_donor(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path, donor=DONOR)
    arrays = _dataset(path, select={"donor": "13176"}, whiten="none").prepare(None)
    np.testing.assert_array_equal(arrays["test_1"], PCS[(DONOR == 13176) & (DAYS == 3), :5])
    with pytest.raises(UserError, match=r"no cell has donor '99'; there are: 13176, 32606"):
        _dataset(path, select={"donor": "99"}).prepare(None)


@pytest.mark.parametrize("labels", [DAYS.astype(str), DAYS.astype(np.float32), DAYS.astype(np.int8) * 10])
def test_times_are_ordered_as_numbers(tmp_path: Path, labels: np.ndarray) -> None:
    """Text that reads as numbers too: '10' comes after '9'."""
    cells = read_cells(_npz(tmp_path, sample_labels=labels), "pcs", "sample_labels", {}, 6)
    np.testing.assert_array_equal(cells.time, np.repeat(range(4), 20))
    np.testing.assert_array_equal(cells.points, PCS.astype(np.float64))


def _spoilt(place: tuple[int, int], value: float) -> np.ndarray:
    pcs = PCS.copy()
    pcs[place] = value
    return pcs


def _repeated(n: int) -> np.ndarray:
    pcs = PCS.copy()
    pcs[20 : 20 + n] = pcs[20]
    return pcs


ONE_CELL = np.array([2] * 39 + [3] + [4] * 20 + [7] * 20)
WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"matrix": "X"}, r"cells.npz: no array 'X'; there are: pcs, sample_labels$"),
    ({}, {"labels": "day"}, r"cells.npz: no array 'day'; there are: pcs, sample_labels$"),
    ({}, {"select": {"donor": "1"}}, r"cells.npz: no array 'donor'"),
    ({}, {"dims": 7}, r"dims: 7 columns are asked for, 'pcs' has 6"),
    ({}, {"dims": 0}, r"dims: 0 columns are asked for"),
    ({}, {"snapshots": 5}, r"'sample_labels' has 4 times \(2, 3, 4, 7\), 'snapshots' says 5"),
    ({"sample_labels": np.where(DAYS == 3, np.nan, DAYS)}, {}, r"'sample_labels': 20 of 80 cells have no time \(NaN\)"),
    ({"sample_labels": DAYS[:70]}, {}, r"'sample_labels' has shape \(70,\), a value per cell \(80\) is expected"),
    ({"sample_labels": ONE_CELL}, {}, r"time 1 \(3\) has 1 cell: 10 or more are needed"),
    ({"pcs": _spoilt((33, 4), np.nan)}, {}, r"'pcs': 1 of 80 cells have NaN or infinite values \(the first is row 33\)"),
    ({"pcs": PCS[:, 0]}, {}, r"'pcs' is no matrix of numbers: float32 of shape \(80,\)"),
    ({"pcs": PCS.astype(str)}, {}, r"'pcs' is no matrix of numbers"),
    ({"pcs": _repeated(20)}, {}, r"all 20 cells at time 1 are the same point"),
    ({"pcs": np.where(np.arange(6) == 2, np.float32(0.1), PCS)}, {}, r"column 2 of 'pcs' is constant"),
]  # fmt: skip


@pytest.mark.parametrize(("arrays", "settings", "message"), WRONG, ids=[w[2][:40] for w in WRONG])
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, arrays: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    path = _npz(tmp_path, **arrays)
    with pytest.raises(UserError, match=message) as error:
        _dataset(path, **settings).prepare(None)
    assert "\n" not in str(error.value)


def test_what_is_wrong_beyond_the_first_columns_does_not_matter(tmp_path: Path) -> None:
    assert len(_dataset(_npz(tmp_path, pcs=_spoilt((33, 5), np.nan))).prepare(None)) == 8


def test_a_single_snapshot_of_copies_is_allowed_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Transport between repeated points is well defined, and rounded data have them."""
    arrays = _dataset(_npz(tmp_path, pcs=_repeated(6))).prepare(None)
    assert len(arrays["test_1"]) == 20
    assert "note: time 1: 5 of 20 cells are copies of others\n" in capsys.readouterr().err


def test_an_h5ad_file_is_named_with_what_it_has(tmp_path: Path) -> None:
    path = _h5ad(tmp_path, obsm="X_umap")
    with pytest.raises(UserError, match=r"cells.h5ad: no matrix 'X_pca'; there are: X_umap, X$"):
        _dataset(path).prepare(None)
    with pytest.raises(UserError, match=r"no column of obs: 'time'; there are: day, donor$"):
        _dataset(path, matrix="X_umap", labels="time").prepare(None)


def test_missing_days_of_an_h5ad_file(tmp_path: Path) -> None:
    import pandas as pd

    category = pd.Categorical(np.where(DAYS == 7, None, DAYS))
    with pytest.raises(UserError, match=r"'day': 20 of 80 cells have no time"):
        _dataset(_h5ad(tmp_path, day=category)).prepare(None)


@pytest.mark.parametrize("name", ["cells.npz", "cells.h5ad"])
def test_damaged_files_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not what it says")
    with pytest.raises(UserError, match=rf"{name}: cannot be read \(") as error:
        _dataset(tmp_path / name).prepare(None)
    assert "\n" not in str(error.value)


def test_a_file_with_python_objects_runs_nothing(tmp_path: Path) -> None:
    path = _npz(tmp_path, pcs=np.array([{}] * 80))
    with pytest.raises(UserError, match=r"cells.npz: 'pcs' was saved as Python objects, which are not read"):
        _dataset(path).prepare(None)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("cells.csv", r"to convert it: t = pandas.read_csv\(file\); np.savez"),
        ("cells.tsv.gz", r"to convert it: t = pandas.read_csv"),
        ("cells.h5ad.gz", "to convert it: unpack it with gunzip"),
        ("cells.h5mu", r"to convert it: .*mudata.read_h5mu\(file\)"),
        ("cells.loom", r"to convert it: anndata.read_loom"),
        ("cells.rds", "to convert it: in R, "),
        ("cells.npy", r"to convert it: np.savez\(file, X=matrix"),
        ("cells", "others have to be converted first"),
    ],
)
def test_other_kinds_of_files_are_refused_with_what_to_do(tmp_path: Path, name: str, how: str) -> None:
    (tmp_path / name).write_text("1,2\n")
    with pytest.raises(
        UserError, match=rf"{name}: a file that ends in .npz, .h5ad or .zarr is expected; {how}"
    ) as error:
        read_cells(tmp_path / name, "a", "b", {}, 1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("module", ["cells", "open_cells", "npz_cells", "columns", "time_labels"])
def test_reading_cells_needs_no_torch_and_npz_no_anndata(module: str) -> None:
    text = (Path(reading.__file__).parent / f"{module}.py").read_text()
    assert not re.search("^ *(import|from) (torch|anndata|h5py|zarr|pandas)", text, re.MULTILINE)


def test_the_recipe_for_a_csv_works(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame(PCS, columns=list("abcdef")).assign(day=[f"D{day}" for day in DAYS])
    frame.to_csv(tmp_path / "cells.csv", index=False)
    t, file, coordinates, time = pd.read_csv(tmp_path / "cells.csv"), tmp_path / "cells.npz", ["a", "b"], "day"
    np.savez(file, X=t[coordinates].to_numpy(), t=t[time].to_numpy(str))  # as the message says
    cells = read_cells(file, "X", "t", {}, 2)
    assert cells.labels == ("D2", "D3", "D4", "D7")
    np.testing.assert_allclose(cells.points, PCS[:, :2])
