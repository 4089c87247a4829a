"""Files of data in the workflow: yours is one entry, a wrong one stops no other, a missing one is said and skipped."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cfm.rng import stream
from tests.pipeline.conftest import Project, environment

pytestmark = pytest.mark.pipeline

EXPERIMENT = """
title: Cells
datasets: [mine, wrong, absent]
seeds: [42]
train: {width: 8, depth: 2, batch_size: 8, steps: 10, learning_rate: 0.001, weight_decay: 0.0, validate_every: 5}
solvers: {euler: {scheme: euler, steps: 5}}
metrics: [w2]
"""
ENTRY = """
NAME:
  label: NAME
  family: snapshots
  file: NAME.npz
  matrix: X
  labels: day
  dims: 2
  snapshots: 3
  left_out: [1]
"""


@pytest.fixture
def cells(new_project: Project) -> Project:
    """The project with an experiment on `mine`, on `wrong`, whose checksum is not the file's, and on `absent`."""
    config = new_project.folder / "config"
    (config / "experiments/cells.yaml").write_text(EXPERIMENT)
    entries = [ENTRY.replace("NAME", name) for name in ("mine", "wrong", "absent")]
    entries[1] += "  sha256: abc\n"
    entries[2] += "  sha256: abc\n  url: http://127.0.0.1:1/absent.npz\n"
    (config / "datasets.yaml").write_text((config / "datasets.yaml").read_text() + "".join(entries))
    methods = config / "methods.yaml"
    methods.write_text(methods.read_text().replace("  experiments: [toy2d,", "  experiments: [cells, toy2d,"))
    _write(new_project.folder / "data/mine.npz", 20)
    _write(new_project.folder / "data/wrong.npz", 20)
    return new_project


def _write(path: Path, each: int) -> None:
    path.parent.mkdir(exist_ok=True)
    points = stream(each, "mine").standard_normal((3 * each, 2))
    np.savez(path, X=points, day=np.repeat([1, 5, 9], each))


def _prepare(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Snakemake up to the data sets of `mine` and `wrong`."""
    targets = [f"results/smoke/cells/{name}_without_1/data.npz" for name in ("mine", "wrong")]
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "workflow/profiles/local", "--cores", "1"]
    command += ["--nolock", *arguments, "--config", "budget=smoke", "experiments=cells", "--", *targets]
    return subprocess.run(command, cwd=project.folder, capture_output=True, text=True, env=environment())


def test_a_wrong_file_stops_no_other_and_a_changed_one_is_read_anew(cells: Project) -> None:
    done = _prepare(cells)
    assert done.returncode == 1
    sha256 = hashlib.sha256((cells.folder / "data/wrong.npz").read_bytes()).hexdigest()
    assert f"wrong.npz: another or a damaged file: its sha256 is {sha256}, expected abc" in done.stdout + done.stderr
    data = cells.folder / "results/smoke/cells/mine_without_1/data.npz"
    with np.load(data) as stored:
        assert stored["times"].tolist() == [0, 2] and len(stored["test_1"]) == 20
    assert not (cells.folder / "results/smoke/cells/wrong_without_1/data.npz").exists()
    (cells.folder / "data/mine.npz").rename(cells.folder / "mine.npz")  # elsewhere, and the same
    again = _prepare(cells, "--dry-run")
    assert again.returncode == 0 and "prepare cells/mine" not in again.stdout + again.stderr
    _write(cells.folder / "mine.npz", 30)
    assert "prepare cells/mine" in _prepare(cells).stderr
    with np.load(data) as stored:
        assert len(stored["test_1"]) == 30


def test_an_experiment_without_its_data_is_said_and_ends_well(cells: Project) -> None:
    cells.replace("config/experiments/cells.yaml", "[mine, wrong, absent]", "[absent]")
    done = cells.cfm("reproduce", "--budget", "smoke", "--experiments", "cells", "--cores", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning: absent.npz: not downloaded from http://127.0.0.1:1/absent.npz: " in done.stderr
    (skipped,) = [line for line in done.stdout.splitlines() if line.startswith("skipped: ")]
    assert skipped.startswith("skipped: cells/absent: absent.npz (sha256 abc) is not there: `python -m cfm fetch`")
    assert "data/absent.npz" in skipped and "CFM_DATA" in skipped
    asked = cells.cfm("data", "--budget", "smoke", "--experiment", "cells", "--dataset", "absent_without_1")
    assert asked.returncode == 2 and asked.stderr.startswith("error: absent_without_1: absent.npz (sha256 abc)")


def test_an_experiment_that_runs_only_when_named_is_said_and_ends_well(cells: Project) -> None:
    cells.replace("config/experiments/cells.yaml", "title: Cells", "title: Cells\nby_name: true")
    cells.replace("config/experiments/cells.yaml", "[mine, wrong, absent]", "[mine]")
    main = cells.folder / "config/config.yaml"
    main.write_text(re.sub("experiments: .*", "experiments: [taxonomy, cells]", main.read_text()))
    done = cells.cfm("reproduce", "--budget", "smoke", "--cores", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    (skipped,) = [line for line in done.stdout.splitlines() if line.startswith("skipped: ")]
    assert skipped == "skipped: cells/mine: only when named: `make reproduce BUDGET=smoke EXPERIMENTS=cells`"
    assert "only when named" in (cells.folder / "results/smoke/report.html").read_text()
    named = cells.cfm("status", "--budget", "smoke", "--experiments", "cells").stdout
    assert "skipped" not in named and "missing mine_without_1/identity" in named
