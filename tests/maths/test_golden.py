"""One training of OT-CFM keeps its numbers: a change of the code that changes results fails here within a minute.

The stages run as in the pipeline, on small sizes. Where a change of results is meant, run this file: the failure shows
the new numbers, to be written below with their date, version of torch and commit.
"""

import json
from pathlib import Path

import pytest

from cfm import config as configuration
from cfm.settings import Sizes, Solver, Training
from cfm.stages.data import prepare
from cfm.stages.evaluate import evaluate
from cfm.stages.sample import sample
from cfm.stages.source_target import source_target
from cfm.stages.train import train

SEED = 42
TRAINING = Training(
    width=64, depth=3, batch_size=128, steps=300, learning_rate=1e-3, weight_decay=1e-5, validate_every=50
)
SOLVERS = {"rk4": Solver("rk4", steps=20)}

# Of 2026-11-29, torch 2.13.0 on a CPU of x86-64, commit e03a15f.
KEPT = {"npe": 0.1658335, "w2": 2.174004}


def test_otcfm_on_moons_keeps_its_numbers(tmp_path: Path) -> None:
    config = configuration.load("paper", ("toy2d",))
    dataset, data = config.datasets["moons_8gaussians"].dataset, tmp_path / "data.npz"
    otcfm, apart = {SEED: tmp_path / "otcfm"}, {SEED: tmp_path / "apart.json"}

    def report(done: int, steps: int, text: str) -> None:
        pass

    prepare(dataset, Sizes(train=1000, val=200, test=500, test_large=0), data)
    method = config.methods["otcfm"].method
    assert train(method, TRAINING, data, otcfm, {}, tmp_path / "state", "{}", "cpu", 0, report) == {}
    sample(method, dataset, TRAINING, SOLVERS, data, otcfm, "cpu", report)
    source_target(data, "test", apart, report)
    evaluate(SOLVERS, ["npe", "w2"], data, otcfm, apart, "{}", {}, report)
    found = json.loads((otcfm[SEED] / "metrics.json").read_text())["rk4"]["metrics"]
    assert found == pytest.approx(KEPT, rel=1e-3), found
