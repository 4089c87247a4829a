"""One's own log densities in the workflow: one file and one entry each; a broken one is marked and stops no other."""

import csv
import re
from pathlib import Path

import pytest
import yaml

from tests.pipeline.conftest import ROOT, Project

pytestmark = pytest.mark.pipeline

EXPERIMENT = """
title: Own densities
datasets: [banana, broken, positive]
seeds: [42, 43]
seeds_per_job: 2
sizes: {train: 500, val: 100, test: 100, test_large: 100}
train: {width: 8, depth: 2, batch_size: 50, steps: 10, learning_rate: 0.001, weight_decay: 0.0, validate_every: 5}
solvers: {dopri5: {scheme: dopri5, tolerance: 0.01, divergence: exact}}
metrics: [log_z, effective_share, w2, mcmc_r_hat]
tables:
  own: {kind: comparison, solver: dopri5, metrics: {log_z: log Z, w2: W2}, caption: Own densities.}
figures:
  weights: {kind: weights, solver: dopri5, caption: Weights.}
  densities: {kind: densities, solver: dopri5, caption: Densities.}
"""

POSITIVE = """\
        import numpy as np

        a = x.numpy()
        return np.where(a[:, 0] > 0, -0.5 * (a**2).sum(axis=1), -np.inf)
"""


def _from_the_manual() -> tuple[str, str]:
    """The file and the entry of docs/densities.md, as a reader would copy them."""
    blocks = re.findall(r"((?:^(?:    .*)?\n)+)", (ROOT / "docs/densities.md").read_text(), flags=re.M)
    code = [re.sub(r"^    ", "", block, flags=re.M).strip() + "\n" for block in blocks if block.strip()]
    (file,) = [block for block in code if "class Banana" in block]
    (entry,) = [yaml.safe_load(block) for block in code if block.startswith("datasets:")]
    assert entry["datasets"]["banana"].pop("experiments") == ["unnormalised"]
    return file, yaml.safe_dump(entry["datasets"])


def _put(project: Project) -> None:
    config, datasets = project.folder / "config", project.folder / "cfm/datasets"
    file, entry = _from_the_manual()
    (datasets / "banana.py").write_text(file)
    (datasets / "broken.py").write_text(file.replace("return -0.5 *", "return x[:, 0].log() *"))
    (datasets / "positive.py").write_text(re.sub(r"        return -0.5 .*\n", POSITIVE, file))
    broken = entry.replace("banana", "broken") + entry.replace("banana", "positive")
    (config / "datasets.yaml").write_text((config / "datasets.yaml").read_text() + "\n" + entry + "\n" + broken)
    (config / "experiments/own.yaml").write_text(EXPERIMENT)
    methods = config / "methods.yaml"
    methods.write_text(
        re.sub(
            r"(otcfm:\n(?:  .*\n)*?  experiments: \[|^identity:\n(?:  .*\n)*?  experiments: \[)",
            r"\1own, ",
            methods.read_text(),
            flags=re.M,
        )
    )


def test_the_manuals_density_runs_and_a_broken_one_is_marked(new_project: Project) -> None:
    _put(new_project)
    done = new_project.cfm("reproduce", "--budget", "smoke", "--experiments", "own", "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    folder: Path = new_project.folder / "results/smoke/own"
    with open(folder / "runs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    fine = {row["metric"] for row in rows if row["dataset"] == "banana" and row["status"] == "ok"}
    assert fine == {"log_z", "effective_share", "w2", "mcmc_r_hat"}
    positive = {row["metric"] for row in rows if row["dataset"] == "positive" and row["status"] == "ok"}
    assert positive == fine
    broken = [row for row in rows if row["dataset"] == "broken"]
    assert len(broken) == 4 and all(row["status"] == "failed" for row in broken)
    assert all("the log density is NaN or +inf at" in row["reason"] for row in broken)
    table = (folder / "tables/own.md").read_text()
    assert "failed" in table and "OT-CFM, broken: 2 failed: the log density is NaN" in table
    assert {path.name for path in (folder / "figures").glob("*.png")} == {
        f"{kind}_{name}.png" for kind in ("weights", "densities") for name in ("banana", "broken", "positive")
    }
