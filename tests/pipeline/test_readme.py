"""The README to the letter, on the budget of seconds: files are written, commands run, its Python is executed."""

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from tests.pipeline.conftest import ROOT, Project, environment

pytestmark = pytest.mark.pipeline

# What is not run here: the tests themselves, ten minutes of timing, another machine, an environment of one's own.
_LEFT_OUT = ("make test", "make bench", "make lint", "make reproduce PROFILE=", "git clone")
_BUDGETS = re.compile(r"BUDGET=\w+")
_WITHOUT_BUDGET = ("list", "new-method", "check-method")
_DAYS = ("D0", "D3", "D10")
_CELLS = """
  single_cell:
    methods: [identity, otcfm]
    datasets: []
    seeds: [42]
    train: {width: 16, batch_size: 32, steps: 20, validate_every: 10}
    solvers:
      euler: {steps: 10}
"""


def _blocks() -> list[str]:
    """The README's indented blocks."""
    text = (ROOT / "README.md").read_text()
    return [textwrap.dedent(block) for block in re.findall(r"(?<=\n\n)((?:    .*\n|\n(?=    ))+)", text)]


def _commands(block: str) -> list[str]:
    lines = (line.split("  #")[0].strip() for line in block.splitlines())
    return [line for line in lines if line.startswith(("make ", ".venv/")) and not line.startswith(_LEFT_OUT)]


def test_the_readme_to_the_letter(project: Project) -> None:
    _prepare(project.folder)
    done = []
    for block in _blocks():
        first = block.splitlines()[0]
        if first.startswith("# config/mine/"):
            path = project.folder / first.removeprefix("# ")
            path.parent.mkdir(exist_ok=True)
            path.write_text(block)
        elif first == "import cfm":
            _run([sys.executable, "-c", block.replace("results/quick", "results/smoke")], project.folder)
            done.append("Python")
        for line in _commands(block):
            _run(_on_smoke(line), project.folder)
            done.append(line.split()[0])
    assert {*done} == {"make", ".venv/bin/python", "Python"} and len(done) > 12
    carried = anndata.read_h5ad(project.folder / "carried.h5ad")
    cells = anndata.read_h5ad(project.folder / "data/my_cells.h5ad")
    mine = cells[carried.obs_names]
    assert set(mine.obs.day) == {"D0"} and carried.n_obs == (cells.obs.day == "D0").sum()
    assert np.isfinite(carried.obsm["X_pca"]).all() and carried.obsm["X_pca"].shape == (carried.n_obs, 5)
    table = (project.folder / "results/smoke/single_cell/tables/table4.md").read_text()
    assert "my cells, D3 left out" in table


def _prepare(folder: Path) -> None:
    """What the README takes for granted: an environment, and a file of cells with three snapshots."""
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / ".venv/.installed").touch()
    with open(folder / "config/budgets/smoke.yaml", "a") as overlay:
        overlay.write(_CELLS)
    rng, day = np.random.default_rng(0), np.repeat([0, 1, 2], 40)
    order = rng.permutation(len(day))  # as a sequencer has them
    obs = pd.DataFrame({"day": pd.Categorical(np.array(_DAYS)[day[order]])}, index=[f"cell{k}" for k in order])
    cells = anndata.AnnData(np.zeros((len(day), 3), np.float32), obs=obs)
    cells.obsm["X_pca"] = (rng.standard_normal((len(day), 8)) + day[order, None]).astype(np.float32)
    (folder / "data").mkdir(exist_ok=True)
    cells.write_h5ad(folder / "data/my_cells.h5ad")


def _on_smoke(line: str) -> list[str]:
    """The words of a command, with the smallest budget and what takes long made short."""
    words = shlex.split(_BUDGETS.sub("BUDGET=smoke", line).replace("SEEDS=10", "SEEDS=3"))
    if words[0] == "make":
        words += [] if "BUDGET=smoke" in words else ["BUDGET=smoke"]
        words += [] if "EXPERIMENTS=" in line and "couplings" not in line else ["EXPERIMENTS=toy2d"]
        return [*words, "CORES=2"]
    return words if "--budget" in words or words[3] in _WITHOUT_BUDGET else [*words, "--budget", "smoke"]


def _run(words: list[str], folder: Path) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
