"""Where the arithmetic happens: CPU or GPU, one thread, and one run at a time on a GPU."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from cfm.errors import UserError


def choose(name: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`; `UserError` if a GPU is asked for and there is none.

    Sets one thread per process: for small networks a second thread on a busy core was measured
    30 times slower, and parallelism comes from the jobs.
    """
    torch.set_num_threads(1)
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("config/config.yaml: device is 'cuda' but torch sees no GPU; use 'auto' or 'cpu'")
    use_gpu = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    if use_gpu and "LOCAL_RANK" in os.environ:  # one of several processes of torchrun: each has a GPU of its own
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return torch.device("cuda" if use_gpu else "cpu")


@contextlib.contextmanager
def reserved(device: torch.device) -> Iterator[None]:
    """Hold the GPU for this process: jobs of other workflows on the machine wait. No effect on a CPU."""
    if device.type != "cuda":
        yield
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all").replace(",", "-")
    if device.index is not None:
        visible += f"-{device.index}"
    with open(Path(tempfile.gettempdir()) / f"cfm-gpu-{visible}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
