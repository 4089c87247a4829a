"""Table 3's experiments end to end at the smoke budget, in one process: runs, floor, table, figures, claims."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfm import config as configuration
from cfm.artifacts.runs import read_runs
from cfm.cli import cells, commands
from cfm.config import Config
from cfm.files import read_arrays
from tests.conftest import ROOT

EXPERIMENTS = ("bridges", "gaussian_bridges")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the configuration, and all runs of both experiments."""
    folder = tmp_path_factory.mktemp("bridges")
    shutil.copytree(ROOT / "config", folder / "config")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for experiment in EXPERIMENTS:
            config = configuration.load("smoke", (experiment,))
            for dataset in config.experiments[experiment].datasets:
                cells.data("smoke", experiment, dataset)
                for method in config.methods_of(experiment):
                    cell = {"budget": "smoke", "experiment": experiment, "dataset": dataset, "method": method}
                    if config.methods[method].method.trained:
                        cells.train(**cell)
                    cells.sample(**cell)
                    cells.evaluate(**cell)
            commands.collect("smoke", experiment)
    return folder


@pytest.fixture(autouse=True)
def _there(project: Path, monkeypatch: pytest.MonkeyPatch, _same_start: None) -> None:
    monkeypatch.chdir(project)


def _config(experiment: str) -> Config:
    return configuration.load("smoke", (experiment,))


def test_two_truths_are_the_floor() -> None:
    """Every method is measured on every seed, no run failed, and the oracle is the nearest to the bridge."""
    runs = read_runs(_config("bridges").layout.runs("bridges"))
    assert set(runs.status) == {"ok"} and set(runs.method) == {"identity", "oracle", "sbcfm", "dsb"}
    means = runs[runs.metric == "bridge_w2"].groupby("method").value.agg(["mean", "count"])
    assert (means["count"] == 2).all() and means["mean"].idxmin() == "oracle" and means["mean"]["oracle"] > 0.1
    spent = runs[runs.metric == "train_seconds"].groupby("method").value.mean()
    assert set(spent.index) == {"sbcfm", "dsb"} and (spent > 0).all()


def test_the_oracle_is_a_whole_process_of_its_own() -> None:
    """Other paths for each seed and other ones than the truth, at its times."""
    config = _config("bridges")
    known = read_arrays(config.layout.data("bridges", "bridge_gaussian_moons"))
    paths = [
        read_arrays(config.layout.run("bridges", "bridge_gaussian_moons", "oracle", seed) / "samples/rk4.npz")
        for seed in (42, 43)
    ]
    for stored in paths:
        np.testing.assert_array_equal(stored["t"], known["bridge_t"])
        assert stored["trajectory"].shape == known["bridge_paths"].shape == (21, 100, 2)
    shared = (paths[0]["trajectory"][0, :, None] == paths[1]["trajectory"][0]).all(2).any()
    assert not shared and not (paths[0]["trajectory"][0, :, None] == known["bridge_paths"][0]).all(2).any()


def test_gaussians_have_no_distance_but_a_divergence() -> None:
    """No w2_squared is measured there, which only NPE would need."""
    path = _config("gaussian_bridges").layout.run("gaussian_bridges", "gaussians_5d", "sbcfm", 42) / "metrics.json"
    metrics = json.loads(path.read_text())["rk4"]["metrics"]
    assert set(metrics) == {"bridge_kl", "bridge_kl_end", "sample_seconds", "train_seconds"}
    assert 0 < metrics["bridge_kl"] < 1


def test_the_table_stands_beside_the_papers() -> None:
    commands.table("smoke", "bridges", "table3")
    text = _config("bridges").layout.table("bridges", "table3", "md").read_text()
    assert "paper: 0.283 ± 0.048‡" in text and "paper: 0.333 ± 0.134‡" not in text and "paper: 0.333 ± 0.129‡" in text
    assert "DSBM-IMF" not in text  # it takes no part at this budget, so nothing is said of its settings
    commands.table("smoke", "gaussian_bridges", "gaussian_bridges")
    assert (
        "paper:"
        not in _config("gaussian_bridges").layout.table("gaussian_bridges", "gaussian_bridges", "md").read_text()
    )


@pytest.mark.parametrize(
    ("experiment", "figure", "dataset"),
    [
        ("bridges", "error", "bridge_gaussian_moons"),
        ("bridges", "marginals", "bridge_gaussian_moons"),
        ("gaussian_bridges", "error", "gaussians_5d"),
    ],
)
def test_figures(experiment: str, figure: str, dataset: str) -> None:
    """Drawn with a caption, and anew without a method whose run failed, which says so."""
    commands.figure("smoke", experiment, figure, dataset)
    layout = _config(experiment).layout
    paths = {suffix: layout.figure(experiment, figure, dataset, suffix) for suffix in ("png", "pdf", "md")}
    assert Image.open(paths["png"]).width > 600 and paths["pdf"].stat().st_size > 5000
    assert "100 test points" in paths["md"].read_text()
    before = paths["png"].read_bytes()
    samples = layout.run(experiment, dataset, "sbcfm", 42) / "samples/rk4.npz"
    stored = samples.read_bytes()
    np.savez(samples, x0=np.zeros((1, 2)), failure=np.array("no plan"))
    try:
        commands.figure("smoke", experiment, figure, dataset)
    finally:
        samples.write_bytes(stored)
    assert paths["png"].read_bytes() != before


def test_claims_are_judged_on_these_runs() -> None:
    commands.claims("smoke", "bridges")
    claims = _config("bridges").layout.claims("csv").read_text()
    assert "sbcfm_nearer_the_bridge_than_dsb" in claims and "sbcfm_trains_faster_than_dsb" in claims
