"""Stage `objective`: the variance of a method's regression target on one data set, into `metrics.json`.

Nothing is trained or sampled: pairs are drawn as in training, cfm/solvers/marginal.py says what is computed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cfm.artifacts.data import load
from cfm.artifacts.metrics import failed, measured
from cfm.artifacts.provenance import Stopwatch
from cfm.artifacts.run import save_run
from cfm.errors import RunFailed
from cfm.fingerprint import file_digest
from cfm.methods.base import Method
from cfm.settings import PAIRS, Objective
from cfm.solvers.marginal import Marginal, objective_variance
from cfm.training.batches import PairSampler, training_pairs


def measure(
    method: Method,
    settings: Objective,
    data_path: Path,
    runs: Mapping[int, Path],
    spec: str,
    code: str,
    report: Callable[[int, int, str], None],
) -> None:
    """Measure the seeds of `runs` (seed -> folder); a run that fails says so in its `metrics.json`."""
    sampler = PairSampler.of(method, load(data_path), settings.batch_size)
    for done, (seed, folder) in enumerate(runs.items(), start=1):
        watch, began = Stopwatch(), time.process_time()
        result: dict[str, Any]
        try:
            value = _variance(method, sampler, settings, seed)
            result = measured(0, {"objective_variance": value})
        except RunFailed as error:
            result = failed(str(error))
        record = watch.record(
            code_digest={"objective": code},
            data_sha256=file_digest(data_path),
            work_seconds={"distance": time.process_time() - began},
        )
        save_run(folder, spec, {"evaluate": record}, {PAIRS: result})
        report(done, len(runs), f"seed {seed}")


def _variance(method: Method, sampler: PairSampler, settings: Objective, seed: int) -> float:
    path = method.conditional_path
    assert path is not None
    x0, x1, _ = draw(sampler, seed, 0, settings.batches)
    ahead = -(-settings.points // settings.batch_size)
    a, b, eps = (column[: settings.points] for column in draw(sampler, seed, settings.batches, ahead))
    value = objective_variance(Marginal(x0, x1, path), a, b, eps, settings.times)
    if not np.isfinite(value):
        raise RunFailed(f"the variance of the objective is {value}")
    return value


def draw(sampler: PairSampler, seed: int, first: int, batches: int) -> list[Tensor]:
    """The training pairs x0, x1 and noise of some batches from step `first` on, each of shape (n, dim)."""
    pairs = [training_pairs(sampler, seed, step) for step in range(first, first + batches)]
    return [torch.from_numpy(np.concatenate([getattr(p, name) for p in pairs])) for name in ("x0", "x1", "eps")]
