"""Pairs drawn ahead by workers are the pairs drawn in turn, and no worker outlives what it works for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from cfm.datasets.base import Prepared
from cfm.errors import RunFailed, UserError
from cfm.methods.flow_matching import FlowMatching
from cfm.rng import stream
from cfm.settings import Training
from cfm.training.batches import COLUMNS, PairSampler
from cfm.training.prefetch import Prefetch
from cfm.training.trainer import Trainer

SETTINGS = Training(width=8, depth=2, batch_size=40, steps=50, learning_rate=1e-3, weight_decay=1e-5, validate_every=20)


def _data(poison: bool = False) -> Prepared:
    draw = {s: 3 + stream(0, s).standard_normal((400, 2), dtype=np.float32) for s in ("train", "val")}
    if poison:
        draw["train"][399] = np.nan
    return Prepared({f"{s}_1": x for s, x in draw.items()}, dim=2, gaussian_source=True)


@pytest.mark.parametrize("coupling", ["exact", "entropic"])
def test_training_has_the_same_bits_for_any_number_of_workers(coupling: str, tmp_path: Path) -> None:
    trained = []
    for workers in (0, 1, 3):
        method = FlowMatching(coupling, "linear", 0.7)  # type: ignore[arg-type]
        state = tmp_path / str(workers)
        trainer = Trainer(method, _data(), SETTINGS, [3, 1], torch.device("cpu"), state, workers)
        trainer.run(lambda *progress: None)
        trained.append(trainer)
    for trainer in trained[1:]:
        assert torch.equal(trainer.net.theta, trained[0].net.theta)
        assert torch.equal(trainer.best[""], trained[0].best[""])
        losses = [[[r.val_loss for r in rows] for rows in t.history.rows] for t in (trainer, trained[0])]
        assert losses[0] == losses[1]
        assert all(trainer.work_seconds(place)["coupling"] > 0 for place in (0, 1))


def test_pairs_are_the_same_from_any_step_on() -> None:
    """As after a resume: a prefetch that starts at step 23 gives what one from step 0 gives there."""
    sampler = PairSampler.of(FlowMatching("exact", "linear", 0.1), _data(), 40)
    with Prefetch(sampler, [5], 23, 60, 2) as late, Prefetch(sampler, [5], 0, 60, 0) as in_turn:
        for step in range(23, 60):
            ahead, expected = late.take(5, step), in_turn.take(5, step)
            for name in COLUMNS:
                np.testing.assert_array_equal(getattr(ahead, name), getattr(expected, name))


def test_a_failing_step_fails_at_that_step_and_not_before() -> None:
    """A pass over 400 points meets its NaN in one of the first ten batches of 40."""
    method = FlowMatching("exact", "linear", 0.1)
    sampler = PairSampler(method, _data(poison=True).intervals(), 40, [None])
    failed = {}
    for workers in (0, 2):
        with Prefetch(sampler, [5], 0, 50, workers) as prefetch, pytest.raises(RunFailed, match="non-finite"):
            for step in range(50):
                failed[workers] = step
                prefetch.take(5, step)
    assert failed[0] == failed[2] < 10


def test_a_worker_that_dies_ends_the_training_with_one_line() -> None:
    sampler = PairSampler.of(FlowMatching("exact", "linear", 0.1), _data(), 40)
    with Prefetch(sampler, [5], 0, 10_000, 1) as prefetch, pytest.raises(UserError, match="run again"):
        prefetch.take(5, 0)
        assert prefetch._pool is not None
        for pid in prefetch._pool._processes:
            os.kill(pid, signal.SIGKILL)
        for step in range(1, 10_000):
            prefetch.take(5, step)


_ORPHANS = """
import sys, time
from tests.maths.test_prefetch import _data
from cfm.training.batches import PairSampler
from cfm.methods.flow_matching import FlowMatching
from cfm.training.prefetch import Prefetch

if __name__ == "__main__":
    with Prefetch(PairSampler.of(FlowMatching("exact", "linear", 0.1), _data(), 40), [5], 0, 10_000, 2) as prefetch:
        prefetch.take(5, 0)
        print(*prefetch._pool._processes, flush=True)
        time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for the processes in /proc")
def test_no_worker_outlives_a_training_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(_ORPHANS, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment) as main:
        assert main.stdout is not None
        workers = [int(pid) for pid in main.stdout.readline().split()]
        main.kill()
    assert len(workers) == 2
    deadline = time.monotonic() + 20
    while (left := [pid for pid in workers if _runs(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
