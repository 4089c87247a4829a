"""A copy of the project with a budget of seconds, run once; each test spoils its own copy of the outcome."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from safetensors import safe_open

ROOT = Path(__file__).parent.parent.parent

# In the background of a script SIGINT is ignored, and the programs that the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Of the figures only the first and cheapest kinds, from samples and from runs.csv.
FIGURES = """
figures:
  trajectories: {kind: trajectories, solver: rk4, caption: Trajectories.}
  evaluations: {kind: evaluations, solver: rk4, metrics: [w2], caption: Evaluations.}
"""


def tiny_toy2d(methods: str, datasets: str, steps: int = 30, validate_every: int = 10) -> str:
    """A budget of seconds for the experiment toy2d: two seeds, trained together."""
    return f"""
experiments:
  toy2d:
    methods: [{methods}]
    datasets: [{datasets}]
    seeds: [42, 43]
    seeds_per_job: 2
    sizes: {{train: 300, val: 50, test: 60, test_large: 80}}
    train: {{width: 8, batch_size: 32, steps: {steps}, validate_every: {validate_every}}}
    solvers:
      rk4: {{steps: 5}}
"""


# One data set with a normal source and the one without; methods with and without a coupling, the controls.
TINY = tiny_toy2d("icfm, otcfm, fm, identity, oracle", "gaussian_8gaussians, moons_8gaussians")


@dataclass(frozen=True)
class Project:
    """A copy of the project in a folder of its own."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results/smoke/toy2d"

    def cfm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb as a user does."""
        return subprocess.run(
            [sys.executable, "-m", "cfm", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=environment(),
        )

    def reproduce(self) -> subprocess.CompletedProcess[str]:
        return self.cfm("reproduce", "--budget", "smoke", "--experiments", "toy2d", "--cores", "2")

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a verb in its own process group, to be killed."""
        return self.popen("-m", "cfm", *arguments, output=subprocess.DEVNULL)

    def popen(self, *arguments: str, output: IO[bytes] | int | None) -> subprocess.Popen[bytes]:
        """Start Python in its own process group, with what it prints in a file."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            stdout=output,
            stderr=output,
            env=environment(),
            start_new_session=True,
        )

    def planned(self) -> dict[str, int]:
        """Rules that Snakemake would run now, with their counts."""
        command = [sys.executable, "-m", "snakemake", "--workflow-profile", "workflow/profiles/local", "-n"]
        command += ["--quiet", "rules", "--nolock", "--config", "budget=smoke", "experiments=toy2d"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment())
        assert done.returncode == 0, done.stdout + done.stderr
        counts = {}
        for line in (done.stdout + done.stderr).splitlines():
            words = line.split()
            if len(words) == 2 and words[1].isdigit() and words[0] != "total":
                counts[words[0]] = int(words[1])
        return counts

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1))

    def copy(self, folder: Path) -> Project:
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The lines of a csv file."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def environment() -> dict[str, str]:
    """That of this process, with the programs beside its Python."""
    return {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


def new_copy(folder: Path, budget: str | None = TINY) -> Project:
    """The project before its first run, in a new folder; with a budget `smoke` and figures of its own if given."""
    folder.mkdir(parents=True)
    for name in ("cfm", "config", "workflow", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "mine"))
    for name in ("Snakefile", "requirements.lock", "Makefile"):
        shutil.copy2(ROOT / name, folder / name)
    if budget is not None:
        (folder / "config/budgets/smoke.yaml").write_text(budget)
        experiment = folder / "config/experiments/toy2d.yaml"
        experiment.write_text(experiment.read_text().split("\nfigures:\n")[0] + FIGURES)
    return Project(folder)


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project before its first run."""
    return new_copy(tmp_path_factory.mktemp("fresh") / "project")


@pytest.fixture(scope="session")
def finished(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after one run of the budget."""
    project = fresh.copy(tmp_path_factory.mktemp("finished") / "project")
    done = project.reproduce()
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project to spoil."""
    return finished.copy(tmp_path / "project")


@pytest.fixture
def new_project(fresh: Project, tmp_path: Path) -> Project:
    """A copy of the project before its first run."""
    return fresh.copy(tmp_path / "project")


@pytest.fixture(scope="session")
def numbers() -> Callable[[Project], dict[str, bytes]]:
    """Every number of a run that does not measure time, by file."""
    return read_numbers


def read_numbers(project: Project) -> dict[str, bytes]:
    """Every number of toy2d that does not measure time, by file."""
    return numbers_below(project.results)


def numbers_below(folder: Path) -> dict[str, bytes]:
    """Every number of an experiment that does not measure time, by file."""
    found: dict[str, bytes] = {}
    # A kill in the middle of a write leaves its unfinished, hidden file beside the whole ones.
    for path in (path for path in sorted(folder.rglob("*")) if not path.name.startswith(".")):
        name = str(path.relative_to(folder))
        if path.suffix == ".npz":
            with np.load(path) as stored:
                kept = [key for key in stored.files if key not in ("seconds", "train_seconds", "provenance")]
                found[name] = b"".join(stored[key].tobytes() for key in kept)
        elif path.suffix == ".safetensors":
            with safe_open(path, "np") as file:
                found[name] = b"".join(file.get_tensor(key).tobytes() for key in sorted(file.keys()))
        elif path.name == "metrics.json":
            results = json.loads(path.read_text())
            for result in results.values():
                result["metrics"] = {k: v for k, v in result["metrics"].items() if "seconds" not in k}
            found[name] = json.dumps(results).encode()
        elif path.suffix == ".csv" and path.name != "train.csv":
            found[name] = "\n".join(line for line in path.read_text().splitlines() if "seconds" not in line).encode()
        elif path.suffix == ".png" and path.stem != "runtime":
            found[name] = path.read_bytes()
    return found
