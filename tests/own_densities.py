"""A log density that a test gives, in the plane, and a short training on it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import torch
from scipy import stats
from torch import Tensor

from cfm import config as configuration
from cfm.datasets import Density
from cfm.settings import Sizes, Solver, Training
from cfm.stages.evaluate import evaluate
from cfm.stages.sample import sample
from cfm.stages.train import train

METHODS = configuration.load("paper").methods
SIZES = Sizes(train=600, val=100, test=300, test_large=50)
SOLVERS = {"euler": Solver("euler", steps=5, divergence="exact")}
TRAINING = Training(8, 2, batch_size=64, steps=10, learning_rate=1e-3, weight_decay=0, validate_every=5)
OUTSIDE = -torch.inf


def through_numpy(x: Tensor) -> object:
    return stats.norm(0.5, 1).logpdf(x.numpy()).sum(axis=1)


@dataclasses.dataclass(frozen=True)
class Own(Density):
    """Whatever a test gives, in the plane."""

    function: Callable[[Tensor], object] = through_numpy

    dim = 2  # type: ignore[assignment]

    def log_density(self, x: Tensor) -> Tensor:
        return self.function(x)  # type: ignore[return-value]  # whatever people return


def measured(density: Density, folder: Path) -> dict[str, object]:
    """OT-CFM on the data set that is prepared in the folder: trained, sampled and measured."""
    quiet = {"report": lambda *_: None}
    method, data, runs = METHODS["otcfm"].method, folder / "data.npz", {0: folder / "run"}
    train(method, TRAINING, data, runs, {}, folder / "state", "{}", "cpu", 0, **quiet)  # type: ignore[arg-type]
    sample(method, density, TRAINING, SOLVERS, data, runs, "cpu", **quiet)  # type: ignore[arg-type]
    metrics = ["log_z", "effective_share", "w2", "mean_error", "std_error"]
    evaluate(SOLVERS, metrics, data, runs, {}, "{}", {}, **quiet)  # type: ignore[arg-type]
    found: dict[str, dict[str, object]] = json.loads((folder / "run/metrics.json").read_text())
    return found["euler"]
