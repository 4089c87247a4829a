"""`python -m cfm carry` on what cannot be carried: one line, and nothing is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

from cfm.__main__ import main
from tests.cells_project import cells_project, given_file, made, verb
from tests.made_run import constant_velocity


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cells_project(tmp_path_factory.mktemp("carry"))


@pytest.fixture
def refused(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Carry what cannot be carried; the one line that says why. Nothing is written."""
    monkeypatch.chdir(project)

    def run(*options: str, method: str = "otcfm", dataset: str = "mine_without_1", name: str = "out.h5ad") -> str:
        capsys.readouterr()
        given = [*verb("carry", dataset), "--method", method, "--seeds", "42", "--out", str(tmp_path / name)]
        assert main([*given, *options]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.isprintable() and not (tmp_path / name).exists()
        return line

    return run


WRONG = {
    "another day": (
        ["--from", "D4", "--to", "D8"],
        r"--from: no time 'D4'; did you mean 'D\d+'.*; the times are D3, D8, D15",
    ),
    "no day": (
        ["--from", "D3", "--to", "late"],
        r"--to: no time 'late'; valid: D15, D3, D8; the times are D3, D8, D15",
    ),
    "too late": (["--from", "D3", "--to", "16"], "--to: 16 is before the first time or after the last"),
    "too early": (["--from", "-1", "--to", "D8"], "--from: -1 is before the first time"),
    "between, without cells": (["--from", "9", "--to", "D15"], "--from: 9 lies between two times: name the cells"),
    "one time": (["--from", "D3", "--to", "D8", "--times", "1"], "times: a whole number from 2 on is expected, got 1"),
    "no file": (["--from", "D3", "--to", "D8", "--cells", "gone.h5ad"], r"gone\.h5ad"),
    "a table": (
        ["--from", "D3", "--to", "D8", "--cells", "config/methods.yaml"],
        r"\.npz, \.h5ad or \.zarr is expected",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_carried_is_one_line(refused: Callable[..., str], what: str) -> None:
    options, said = WRONG[what]
    assert re.search(said, refused(*options))


GIVEN: dict[str, tuple[Callable[[anndata.AnnData], Any], str]] = {
    "fewer columns": (
        lambda c: c.obsm.update(X_pca=c.obsm["X_pca"][:, :2]),
        "'X_pca' has 2 columns, 3 were trained on",
    ),
    "no matrix": (lambda c: c.obsm.__delitem__("X_pca"), "no matrix 'X_pca'"),
    "NaN": (lambda c: c.obsm["X_pca"].__setitem__((c.obs["day"] == "D3"), np.nan), "40 of 40 cells have NaN"),
    "other days": (lambda c: c[c.obs["day"] != "D3"].copy(), "no cell has day 'D3'; there are: D8, D15"),
    "no cells": (lambda c: anndata.AnnData(obsm={"X_pca": np.zeros((0, 4))}), "there are no cells in it"),
}


@pytest.mark.parametrize("what", GIVEN)
def test_cells_that_do_not_fit_are_one_line(refused: Callable[..., str], tmp_path: Path, what: str) -> None:
    change, said = GIVEN[what]
    line = refused("--from", "D3", "--to", "D8", "--cells", given_file(tmp_path, change))
    assert said in line and "given.h5ad" in line


def test_methods_that_cannot_carry_are_one_line(refused: Callable[..., str]) -> None:
    assert "identity is a control without a network" in refused("--from", "D3", "--to", "D8", method="identity")
    line = refused("--from", "D3", "--to", "D8", dataset="branching_without_1")
    assert "single_cell/branching_without_1/otcfm: seed 42: not trained; `make reproduce BUDGET=smoke" in line
    assert "EXPERIMENTS=single_cell DATASETS=branching_without_1 METHODS=otcfm` trains it" in line
    for name in ("out.csv", "out", "out.h5ad.gz"):
        assert "a name that ends in .h5ad or .npz is expected" in refused("--from", "D3", "--to", "D8", name=name)


def test_no_mean_is_over_fewer_seeds_than_were_asked_for(refused: Callable[..., str]) -> None:
    made("icfm", 43, lambda layers: None, failure="the loss is not finite by step 10")
    line = refused("--from", "D3", "--to", "D8", "--seeds", "42", "43", method="icfm")
    assert "icfm/seed=43: this run failed, there is no network: the loss is not finite by step 10" in line
    assert "seed 44: not trained" in refused("--from", "D3", "--to", "D8", "--seeds", "42", "44", method="icfm")


def test_networks_of_other_settings_are_not_used(refused: Callable[..., str], project: Path) -> None:
    """Which columns they know is one of them."""
    path = project / "config/datasets.yaml"
    before = path.read_text()
    try:
        path.write_text(before.replace("dims: 3", "dims: 2"))
        assert "was trained with other settings than config/ says now" in refused("--from", "D3", "--to", "D8")
    finally:
        path.write_text(before)


def test_other_data_than_those_of_the_training_are_not_used(refused: Callable[..., str], project: Path) -> None:
    path = project / "results/smoke/single_cell/mine_without_1/data.npz"
    before = path.read_bytes()
    try:
        with np.load(path) as stored:
            np.savez(path, **{**stored, "whiten_mean": stored["whiten_mean"] + 1})
        assert "not the data that" in refused("--from", "D3", "--to", "D8")
    finally:
        path.write_bytes(before)


def test_data_that_are_no_cells_are_carried_as_points(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a made-up time course, in the units of the data; they have to be given."""
    monkeypatch.chdir(project)
    dataset, out, points = "branching_without_2", tmp_path / "out.npz", np.random.default_rng(0).standard_normal((6, 5))
    assert main(verb("data", dataset)) == 0
    made("otcfm", 42, constant_velocity(1, 0, 0, 0, -1), dataset, 5)
    asked = [
        *verb("carry", dataset),
        "--method",
        "otcfm",
        "--seeds",
        "42",
        "--from",
        "4",
        "--to",
        "0.5",
        "--out",
        str(out),
    ]
    assert main(asked) == 2 and "an .npz with an array 'points' (n, dim)" in capsys.readouterr().err
    np.savez(tmp_path / "points.npz", points=points)
    assert main([*asked, "--cells", str(tmp_path / "points.npz")]) == 0
    with np.load(out) as stored:
        np.testing.assert_allclose(stored["mean"][-1], points - 3.5 * np.array([1, 0, 0, 0, -1]), atol=1e-5)


def test_the_file_of_the_cells_is_never_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    before = Path("mine.h5ad").read_bytes()
    asked = [*verb("carry"), "--method", "otcfm", "--seeds", "42", "--from", "D3", "--to", "D8"]
    for out in ("mine.h5ad", f"../{project.name}/mine.h5ad"):
        assert main([*asked, "--out", out]) == 2
        assert "the cells are read from this file" in capsys.readouterr().err
    assert Path("mine.h5ad").read_bytes() == before
