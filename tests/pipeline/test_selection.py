"""What a user adds and selects, in the workflow: only new runs are computed, and what was there stays in the tables."""

import subprocess
from pathlib import Path

import pytest

from tests.pipeline.conftest import Project, environment, new_copy, read_rows

pytestmark = pytest.mark.pipeline

# An experiment of seconds on data of one's own size; the budget lists another data set.
CELLS = """
title: Cells
datasets: [branching]
seeds: [42, 43]
seeds_per_job: 2
train: {width: 8, depth: 2, batch_size: 8, steps: 10, learning_rate: 0.001, weight_decay: 0.0, validate_every: 5}
solvers: {euler: {scheme: euler, steps: 5}}
metrics: [w1]
tables:
  cells: {kind: comparison, solver: euler, metrics: {w1: W1}, caption: Cells.}
figures:
  w1: {kind: dots, solver: euler, metrics: [w1], methods: [icfm], caption: W1.}
"""
BUDGET = "experiments: {cells: {methods: [identity], datasets: [branching_without_2]}}\n"
MINE = """
datasets:
  own:
    {label: Own, family: branching, cells: 40, snapshots: 3, left_out: 1, experiments: [cells]}
methods:
  steady: {label: Steady, family: flow_matching, coupling: exact, path: linear, sigma: 0.1, experiments: [cells]}
"""


def _reproduce(project: Project, *arguments: str) -> str:
    done = project.cfm("reproduce", "--budget", "smoke", "--experiments", "cells", "--cores", "2", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _counts(project: Project) -> dict[tuple[str, str], str]:
    rows = read_rows(project.folder / "results/smoke/cells/tables/cells.csv")
    return {(row["dataset"], row["method"]): row["n"] for row in rows if row["dataset"] != "branching"}  # the mean


def _made(project: Project, pattern: str) -> dict[Path, int]:
    """When the files of the runs were written, by path."""
    return {path: path.stat().st_mtime_ns for path in (project.folder / "results/smoke/cells").glob(pattern)}


@pytest.fixture
def cells(tmp_path: Path) -> Project:
    """A project with an experiment that has a data set and a method of one's own."""
    project = new_copy(tmp_path / "project", BUDGET)
    config = project.folder / "config"
    (config / "experiments/cells.yaml").write_text(CELLS)
    methods = config / "methods.yaml"
    methods.write_text(
        methods.read_text()
        .replace("experiments: [taxonomy, toy2d,", "experiments: [cells, taxonomy, toy2d,")
        .replace("  experiments: [toy2d,", "  experiments: [cells, toy2d,")
    )
    (config / "mine").mkdir()
    (config / "mine/own.yaml").write_text(MINE)
    return project


def test_what_is_added_runs_and_what_is_selected_is_added_to_what_is_there(cells: Project) -> None:
    said = _reproduce(cells)
    assert (
        "left out at 'smoke': cells: methods " in said and "data sets branching_without_1, branching_without_3" in said
    )
    first = {("branching_without_2", "identity"): "2", ("branching_without_2", "steady"): "2"}
    first |= {("own", "identity"): "2", ("own", "steady"): "2"}
    assert _counts(cells) == first
    assert (cells.folder / "results/smoke/cells/figures/w1.png").exists()  # of steady, where icfm takes no part
    trained = _made(cells, "*/*/seed=*/model.safetensors")
    assert len(trained) == 4

    chosen = ("--datasets", "own", "--methods", "steady", "--seeds", "3")
    assert "seeds 42..44, 3 runs (2 done)" in _reproduce(cells, *chosen)
    assert _counts(cells) == {**first, ("own", "steady"): "3"}
    later = _made(cells, "*/*/seed=*/model.safetensors")
    assert {path: later[path] for path in trained} == trained and len(later) == 5
    assert "(42..44), budget" in (cells.folder / "results/smoke/cells/tables/cells.md").read_text()
    assert "nothing to do" in _reproduce(cells, *chosen)

    assert "nothing to do" in _reproduce(cells)  # the plain run has the same runs, and those of seed 44
    assert _made(cells, "*/*/seed=*/model.safetensors") == later

    cells.replace("config/mine/own.yaml", "sigma: 0.1", "sigma: 0.2")
    gathered = cells.cfm("collect", "--budget", "smoke", "--experiment", "cells", "--methods", "identity")
    assert gathered.returncode == 0, gathered.stderr
    assert gathered.stdout == "cells: 5 finished runs on disk not used: made with other settings\n"
    done = cells.cfm("table", "--budget", "smoke", "--experiment", "cells", "--name", "cells", "--methods", "identity")
    assert done.returncode == 0 and {m for _, m in _counts(cells)} == {"identity"}, done.stderr


HOSTILE = [
    "$(shell touch hit)",
    "`touch hit`",
    "$$(touch hit)",
    "'; touch hit; '",
    '"; touch hit; "',
    "x; touch hit",
    "\\",
]


def test_make_takes_what_is_typed_as_it_is_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    project = new_copy(tmp_path / "project", None)
    arguments = project.folder / "arguments"
    python = project.folder / "env/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{arguments}"\n')  # instead of the command
    python.chmod(0o755)
    (project.folder / "env/.installed").touch()

    def make(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "VENV=env", *words]
        return subprocess.run(command, cwd=project.folder, capture_output=True, text=True, env=environment())

    for target in ("reproduce", "status"):
        for name in ("BUDGET", "EXPERIMENTS", "DATASETS", "METHODS", "SEEDS"):
            for value in HOSTILE:
                assert make(target, f"{name}={value}").returncode == 0
                assert f"--{name.lower()}={value}" in arguments.read_text().splitlines()
    arguments.unlink()
    near = {
        "METHOD": "METHODS",
        "SEED": "SEEDS",
        "DATASET": "DATASETS",
        "EXPERIMENT": "EXPERIMENTS",
        "BUGDET": "BUDGET",
    }
    for name, right in near.items():
        done = make("reproduce", f"{name}=$(shell touch hit)")
        assert done.returncode == 2 and not arguments.exists()
        assert done.stderr.splitlines()[0] == f"error: make: unknown variable '{name}'; did you mean '{right}'?"
    assert make("reproduce", "CFM_DATA=/data", "SHELL=/bin/sh", "CORES=1").returncode == 0
    assert not [*project.folder.rglob("hit")]
