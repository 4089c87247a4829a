"""`python -m cfm carry`: cells go in and come out again, with their names and in their own units."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from cfm.__main__ import main
from tests.cells_project import (
    MEAN,
    RATES,
    SCALE,
    cells_of,
    cells_project,
    genes,
    given_file,
    made_cells,
    verb,
    whitened_scale,
)
from tests.manual_pages import ROOT, examples


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cells_project(tmp_path_factory.mktemp("carry"))


@pytest.fixture
def carry(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Carry, and read what was written."""
    monkeypatch.chdir(project)

    def run(
        *options: str,
        method: str = "otcfm",
        seeds: str = "42 43",
        name: str = "out.h5ad",
        dataset: str = "mine_without_1",
    ) -> Any:
        given = [*verb("carry", dataset), "--method", method, "--seeds", *seeds.split(), "--out", str(tmp_path / name)]
        assert main([*given, *options]) == 0
        return anndata.read_h5ad(tmp_path / name) if name.endswith("d") else dict(np.load(tmp_path / name))

    return run


def test_cells_come_out_in_their_own_units_with_mean_and_spread(carry: Callable[..., Any]) -> None:
    """In closed form: x + v t scale, where t counts the days as one unit each, as the entry has it."""
    out = carry("--from", "D3", "--to", "D15", "--times", "5")
    start, unit = cells_of("D3"), whitened_scale()
    both = np.stack([RATES[42], RATES[43]])
    assert set(out.obs_names) == set(start.obs_names)
    x0 = start[out.obs_names].obsm["X_pca"][:, :3]
    for k, time in enumerate(np.linspace(0, 2, 5)):
        np.testing.assert_allclose(out.obsm[f"X_pca_t{k}"], x0 + time * both.mean(0) * unit, atol=1e-4)
        np.testing.assert_allclose(
            out.obsm[f"X_pca_t{k}_std"], np.tile(time * both.std(0, ddof=1) * unit, (40, 1)), atol=1e-4
        )
        np.testing.assert_allclose(out.obsm[f"X_pca_t{k}_velocity"], np.tile(both.mean(0) * unit, (40, 1)), atol=1e-4)
    np.testing.assert_array_equal(out.obsm["X_pca"], out.obsm["X_pca_t4"])
    np.testing.assert_allclose(out.X, out.obsm["X_pca"], rtol=1e-6)
    about = out.uns["carry"]
    np.testing.assert_allclose(about["course_times"], np.linspace(0, 2, 5))
    np.testing.assert_allclose(about["times"], [3, 5.5, 8, 11.5, 15])
    assert [*about["time_names"]] == ["D3", "5.5", "D8", "11.5", "D15"] and [*about["seeds"]] == [42, 43]


def test_they_join_the_annotated_data_by_name(carry: Callable[..., Any]) -> None:
    """As one does with scanpy, whatever the order of the cells there."""
    out = carry("--from", "D8", "--to", "D3")
    cells = made_cells()[np.random.default_rng(5).permutation(120)].copy()
    there = cells.obs_names[cells.obs["day"] == "D8"]
    cells.obsm["X_back"] = np.full((120, 3), np.nan)
    cells.obsm["X_back"][cells.obs_names.get_indexer(out.obs_names)] = out.obsm["X_pca"]
    back = np.stack([RATES[42], RATES[43]]).mean(0) * whitened_scale()
    np.testing.assert_allclose(cells[there].obsm["X_back"], cells[there].obsm["X_pca"][:, :3] - back, atol=1e-4)
    joined = cells.obs.join(out.obs, rsuffix="_carried", how="inner")
    assert (
        len(joined) == 40
        and (joined["day"] == joined["day_carried"]).all()
        and (joined["donor"] == joined["donor_carried"]).all()
    )
    assert set(out.obs.columns) == {"day", "donor", "depth", "note", "batch"} and isinstance(
        out.obs["day"].dtype, pd.CategoricalDtype
    )


@pytest.mark.parametrize("name", ["out.h5ad", "out.npz"])
def test_zero_length_gives_the_cells_back(carry: Callable[..., Any], name: str) -> None:
    out = carry("--from", "D15", "--to", "D15", method="icfm", seeds="42", name=name)
    start = cells_of("D15")
    names, ends = (out.obs_names, out.obsm["X_pca"]) if name.endswith("d") else (out["names"], out["mean"][-1])
    np.testing.assert_allclose(ends, start[names].obsm["X_pca"][:, :3], atol=1e-5)


def test_there_and_back_with_a_network_that_bends(carry: Callable[..., Any], project: Path, tmp_path: Path) -> None:
    """The cells that come out go in again; adaptive steps of tolerance 1e-4 leave that much."""
    there = carry("--from", "D3", "--to", "D15", method="icfm", seeds="42")
    there.obs["day"] = "D15"
    there.write_h5ad(tmp_path / "there.h5ad")
    back = carry("--from", "D15", "--to", "D3", "--cells", str(tmp_path / "there.h5ad"), method="icfm", seeds="42")
    start = cells_of("D3")[back.obs_names].obsm["X_pca"][:, :3]
    assert np.abs(there[back.obs_names].obsm["X_pca"] - start).max() > 0.05
    np.testing.assert_allclose(back.obsm["X_pca"], start, atol=2e-2)


def test_npz_has_every_seed(carry: Callable[..., Any]) -> None:
    out = carry("--from", "D3", "--to", "8", "--times", "3", seeds="42 43 44", name="out.npz")
    assert out["points"].shape == out["velocity"].shape == (3, 3, 40, 3) and out["std"].shape == (3, 40, 3)
    np.testing.assert_allclose(out["mean"], out["points"].mean(0))
    for k, rate in enumerate(RATES.values()):
        np.testing.assert_allclose(
            out["points"][k, -1] - out["points"][k, 0], np.tile(rate * whitened_scale(), (40, 1)), atol=1e-4
        )
    start = cells_of("D3")[out["names"]].obsm["X_pca"][:, :3]
    np.testing.assert_allclose(out["points"][0, 0], start, atol=1e-5)
    assert [*out["time_names"]] == ["D3", "5.5", "D8"] and str(out["solver"]).startswith("dopri5")


def test_a_number_between_two_days(carry: Callable[..., Any]) -> None:
    out = carry("--from", "D8", "--to", "11.5", seeds="42")
    start = cells_of("D8")[out.obs_names].obsm["X_pca"][:, :3]
    np.testing.assert_allclose(out.obsm["X_pca"], start + 0.5 * RATES[42] * whitened_scale(), atol=1e-4)
    assert not [name for name in out.obsm if "std" in name], "one seed has no spread"


def test_it_says_where_it_comes_from(carry: Callable[..., Any], project: Path) -> None:
    about = carry("--from", "D3", "--to", "D8").uns["carry"]
    record = json.loads(about["provenance"])
    assert (about["experiment"], about["dataset"], about["method"]) == ("single_cell", "mine_without_1", "otcfm")
    assert set(record["model_sha256"]) == {"42", "43"} and len(record["cells_sha256"]) == 64
    assert record["code_digest"]["carry"] and record["git"] and record["finished"] and record["spec_digest"]


def test_given_cells_of_one_day_without_any_column_of_times(carry: Callable[..., Any], tmp_path: Path) -> None:
    path = given_file(
        tmp_path,
        lambda cells: anndata.AnnData(obs=cells.obs[["donor"]], obsm={"X_pca": cells.obsm["X_pca"]})[:7].copy(),
    )
    out = carry("--from", "9", "--to", "D15", "--cells", path, seeds="42")
    given = made_cells()[:7]
    assert [*out.obs_names] == [*given.obs_names] and [*out.obs.columns] == ["donor"]
    moved = (2 - 1 - 1 / 7) * RATES[42] * whitened_scale()
    np.testing.assert_allclose(out.obsm["X_pca"], given.obsm["X_pca"][:, :3] + moved, atol=1e-4)


def test_of_given_cells_those_of_the_time_are_carried(
    carry: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = carry("--from", "D8", "--to", "D15", "--cells", given_file(tmp_path, lambda cells: cells[:60].copy()))
    expected = made_cells()[:60]
    expected = expected[expected.obs["day"] == "D8"]
    assert [*out.obs_names] == [*expected.obs_names]
    assert (
        f"{len(expected)} cells ({60 - len(expected)} of other times are left out) carried from D8 to D15 by 2 seeds"
        in capsys.readouterr().out
    )


def test_given_cells_as_npz(carry: Callable[..., Any], tmp_path: Path) -> None:
    points = MEAN + SCALE * np.random.default_rng(3).standard_normal((5, 4))
    np.savez(tmp_path / "given.npz", X_pca=points, names=np.array(["a", "b", "c", "d", "e"]))
    out = carry("--from", "D3", "--to", "D8", "--cells", str(tmp_path / "given.npz"), seeds="42")
    assert [*out.obs_names] == ["a", "b", "c", "d", "e"]
    np.testing.assert_allclose(out.obsm["X_pca"], points[:, :3] + RATES[42] * whitened_scale(), atol=1e-4)


def test_a_method_that_saw_one_interval_moves_per_time_of_the_course(carry: Callable[..., Any]) -> None:
    """Its network's unit of time is from D3 to D15, since the day between them is left out."""
    out = carry("--from", "D3", "--to", "D8", method="wcfm", seeds="42")
    start = cells_of("D3")[out.obs_names].obsm["X_pca"][:, :3]
    np.testing.assert_allclose(out.obsm["X_pca"], start + 0.5 * RATES[42] * whitened_scale(), atol=1e-4)


def test_genes_are_never_read(carry: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object, **options: object) -> None:
        raise AssertionError("a sparse matrix was made a dense one")

    for kind in (scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.csr_array):
        monkeypatch.setattr(kind, "toarray", never)
        monkeypatch.setattr(kind, "todense", never)
    assert carry("--from", "D3", "--to", "D8").n_obs == 40


def test_the_example_of_the_manual_joins_the_cells(
    carry: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And every name that the table of what is written has is there."""
    blocks = examples("own_data")
    (place,) = (k for k, block in enumerate(blocks) if block.startswith("python -m cfm carry "))
    join = blocks[place + 1]
    out = carry("--from", "D3", "--to", "D15", name="carried.h5ad")
    table = (ROOT / "docs/own_data.md").read_text().partition("| .h5ad |")[2]
    named = {*re.findall(r'\["(\w+)"\]', table)} - {"carry"}
    assert len(named) > 12 and named <= {*out.obsm, *out.uns["carry"]}
    made_cells().write_h5ad(tmp_path / "my_cells.h5ad")
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(compile(join, "own_data", "exec"), found)
    x0, unit = cells_of("D3")[out.obs_names].obsm["X_pca"][:, :3], whitened_scale()
    np.testing.assert_allclose(found["here"].obsm["X_pca"][:, :3], x0)
    np.testing.assert_allclose(found["here"].obsm["X_pca_later"], x0 + 2 * np.array([1.5, 0.5, -0.5]) * unit, atol=1e-4)


@pytest.mark.parametrize("start", ["late", "D15", "15", "D15 + late"])
def test_times_of_several_names_as_they_were_observed(carry: Callable[..., Any], start: str) -> None:
    """The course takes 2 units of its time from 3 to 15, so D8 is at 5/6; back to there from any name of the end."""
    out, cells = carry("--from", start, "--to", "D8", dataset="genes", seeds="42"), genes()
    there = cells[cells.obs["day"].isin(["D15", "late"])]
    assert [*out.obs_names] == [*there.obs_names] and "X_carried" in out.obsm and "X" not in out.obsm
    unit = cells.X[:, :3].toarray().std(0)
    expected = there.X[:, :3].toarray() - (2 - 5 / 6) * np.array([1, 2, 3]) * unit
    np.testing.assert_allclose(out.X, expected, atol=1e-4)
    np.testing.assert_allclose(out.uns["carry"]["snapshot_times"], [0, 5 / 6, 2])
    np.testing.assert_allclose(out.uns["carry"]["times"], [15, 8])


def test_given_cells_as_zarr(carry: Callable[..., Any], tmp_path: Path) -> None:
    cells = made_cells()[:50].copy()
    cells.write_zarr(tmp_path / "given.zarr")
    out = carry("--from", "D3", "--to", "D8", "--cells", str(tmp_path / "given.zarr"), seeds="42")
    start = cells[cells.obs["day"] == "D3"]
    assert [*out.obs_names] == [*start.obs_names]
    np.testing.assert_allclose(out.obsm["X_pca"], start.obsm["X_pca"][:, :3] + RATES[42] * whitened_scale(), atol=1e-4)
