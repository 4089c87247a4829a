"""Seed-steps per second of the pipeline's own training, of its network step alone, and of its exact coupling."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import torch

from benchmarks.clock import seconds_each
from benchmarks.problem import problem, training
from cfm.couplings.assignment import Potentials, assign, pot, reference_potentials
from cfm.couplings.assignment.arrays import Floats, Ints, squared_distances
from cfm.datasets.base import Prepared
from cfm.methods.base import Method
from cfm.rng import stream
from cfm.settings import Training
from cfm.training.batches import Pairs, training_pairs
from cfm.training.prefetch import Prefetch
from cfm.training.trainer import Trainer

# Until nothing of what was drawn ahead before the clock ran is left.
_WARM_UP = 40


def fresh_trainer(method: Method, data: Prepared, settings: Training, seeds: Sequence[int], device: str) -> Trainer:
    """One that has no state to go on from."""
    nowhere = Path(tempfile.gettempdir()) / "cfm-bench-has-no-state"
    return Trainer(method, data, settings, seeds, torch.device(device), nowhere)


def _trainer(method: Method, dim: int, batch_size: int, seeds: int, device: str) -> Trainer:
    return fresh_trainer(method, problem(dim), training(batch_size), range(seeds), device)


def _rate(
    trainer: Trainer, take: Callable[[int, int], Pairs], seconds: float, ready: Callable[[], object] = lambda: None
) -> float:
    each = seconds_each(lambda: trainer.train_step(take), seconds, _WARM_UP, trainer.device.type, ready)
    return len(trainer.seeds) / each


def job_rate(
    method: Method, dim: int, batch_size: int, seeds: int, workers: int, seconds: float, device: str = "cpu"
) -> float:
    """One training job with so many seeds, and processes that couple ahead of it."""
    trainer = _trainer(method, dim, batch_size, seeds, device)
    with Prefetch(trainer.sampler, trainer.seeds, 0, trainer.settings.steps, workers) as prefetch:
        return _rate(trainer, prefetch.take, seconds)


def network_rate(method: Method, dim: int, batch_size: int, seeds: int, seconds: float, device: str = "cpu") -> float:
    """The floor: the network step alone, on pairs that are there already."""
    trainer = _trainer(method, dim, batch_size, seeds, device)
    pairs = {seed: training_pairs(trainer.sampler, seed, 0) for seed in trainer.seeds}
    return _rate(trainer, lambda seed, step: pairs[seed], seconds)


class JobPerCore(AbstractContextManager["JobPerCore"]):
    """Training jobs side by side, one on each core, as a budget runs them."""

    def __init__(self, cores: int) -> None:
        self.cores, context = cores, get_context("spawn")
        self._pool = ProcessPoolExecutor(cores, context, _hold, (context.Barrier(cores),))

    def rate(self, method: Method, dim: int, batch_size: int, seeds: int, seconds: float) -> float:
        """Of all jobs together."""
        jobs = [self._pool.submit(_timed_job, method, dim, batch_size, seeds, seconds) for _ in range(self.cores)]
        return sum(job.result() for job in jobs)

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(cancel_futures=True)


_barrier: Barrier  # of a process of JobPerCore: all clocks start together


def _hold(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier
    torch.set_num_threads(1)


def _timed_job(method: Method, dim: int, batch_size: int, seeds: int, seconds: float) -> float:
    trainer = _trainer(method, dim, batch_size, seeds, "cpu")
    with Prefetch(trainer.sampler, trainer.seeds, 0, trainer.settings.steps, 0) as prefetch:
        return _rate(trainer, prefetch.take, seconds, _barrier.wait)


def solver_times(dim: int, batch_size: int, seconds: float) -> dict[str, float]:
    """Median milliseconds of `ot.emd` and of `assign` on the same batches, and the largest difference of their costs.

    Both are timed from the points to the pairs; the difference is relative to the cost.
    """
    data = problem(dim).target("train").astype(np.float64)
    potentials = reference_potentials(stream(0, "bench/x0").standard_normal((512, dim)), data[:512])
    times, difference, step = [], 0.0, 0
    began = time.perf_counter()
    while step < 5 or time.perf_counter() - began < seconds:
        rng = stream(1, "bench/solver", step)
        x, y = rng.standard_normal((batch_size, dim)), data[rng.integers(len(data), size=batch_size)]
        elapsed, costs = zip(*(_timed_solve(solve, x, y, potentials) for solve in (_dense, assign)), strict=True)
        if step:  # the first call compiles
            times.append(elapsed)
        difference, step = max(difference, abs(costs[1] / costs[0] - 1)), step + 1
    dense, ours = 1e3 * np.median(times, axis=0)
    return {"dense_ms": dense, "ours_ms": ours, "ratio": dense / ours, "cost_difference": difference}


def _dense(x: Floats, y: Floats, potentials: Potentials) -> Ints:
    mass = np.ones(len(x))
    plan = pot().emd(mass, mass, squared_distances(x, y), numItermax=10**9)
    permutation: Ints = plan.argmax(axis=1)
    return permutation


def _timed_solve(
    solve: Callable[[Floats, Floats, Potentials], Ints], x: Floats, y: Floats, potentials: Potentials
) -> tuple[float, float]:
    began = time.perf_counter()
    permutation = solve(x, y, potentials)
    return time.perf_counter() - began, float(((x - y[permutation]) ** 2).sum())
