"""Two processes with half of every batch each do what one does with the whole."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cfm.datasets.base import Prepared
from cfm.errors import UserError
from cfm.methods.flow_matching import FlowMatching
from cfm.rng import stream
from cfm.settings import Training
from cfm.training.data_parallel import Share, join
from cfm.training.trainer import Trainer

CPU = torch.device("cpu")
SETTINGS = Training(16, 2, 32, 20, 1e-3, 1e-5, 10, ema_decay=0.9, max_grad_norm=1.0)
DATA = Prepared(
    {f"{s}_1": 3 + 0.5 * stream(0, s).standard_normal((100, 2)).astype(np.float32) for s in ("train", "val")}, 2, True
)


def method(ot_batch: int | None) -> FlowMatching:
    """OT-CFM, coupled in blocks."""
    return FlowMatching("exact", "linear", 0.1, ot_batch=ot_batch)


def test_two_processes_are_one_with_the_same_batch(tmp_path: Path) -> None:
    """The coupling of one process is solved in halves of the batch, as the two solve theirs."""
    alone = Trainer(method(16), DATA, SETTINGS, [3], CPU, tmp_path / "alone")
    alone.run(lambda *_: None)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    worker = ["-m", "tests.maths.parallel_worker", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *worker], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (np.load(tmp_path / f"theta{rank}.npy") for rank in (0, 1))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, alone.net.theta.detach().numpy(), atol=2e-5)
    moved = abs(first - Trainer(method(16), DATA, SETTINGS, [3], CPU, tmp_path / "new").net.theta.detach().numpy())
    assert moved.max() > 1e-3
    assert Trainer(method(None), DATA, SETTINGS, [3], CPU, tmp_path / "state").step == SETTINGS.steps


def test_shares_of_a_batch_are_its_rows_once_each() -> None:
    rows = [np.arange(12)[Share(rank, 3).rows(12)] for rank in range(3)]
    assert np.concatenate(rows).tolist() == list(range(12))


def test_a_batch_that_cannot_be_shared_evenly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UserError, match="a batch of 32 cannot be shared evenly by 3 processes"):
        join(CPU, 32)
