"""Where the arithmetic happens: CPU or GPU, one thread, and on GPUs that no other job of the machine holds."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cfm.errors import UserError
from cfm.files import locked

if TYPE_CHECKING:
    import torch

_holding = False  # whether this process holds GPUs


def choose(name: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`; `UserError` if a GPU is asked for and there is none.

    Sets one thread per process: for small networks a second thread on a busy core was measured
    30 times slower, and parallelism comes from the jobs.
    """
    import torch

    torch.set_num_threads(1)
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("config/config.yaml: device is 'cuda' but torch sees no GPU; use 'auto' or 'cpu'")
    use_gpu = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    if use_gpu and "LOCAL_RANK" in os.environ:  # one of several processes of torchrun: each has a GPU of its own
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return torch.device("cuda" if use_gpu else "cpu")


def present() -> bool:
    """Whether this machine has a GPU, by the drivers' devices: torch takes a second to load, and would start CUDA."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd"))


@contextlib.contextmanager
def taken(count: int) -> Iterator[None]:
    """Hold so many usable GPUs that no other job holds, waiting for them; CUDA, not started yet, will see only these.

    Where nothing tells GPUs apart, those that are visible are held as one. Without effect in a process that holds some
    already. `UserError` if there are fewer.
    """
    global _holding
    names = _usable() if count and not _holding else []
    if names == []:
        yield
        return
    with contextlib.ExitStack() as held:
        if names is None:
            held.enter_context(locked(_lock(os.environ.get("CUDA_VISIBLE_DEVICES", "all"))))
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(_wait_for(count, names, held))
        _holding = True
        try:
            yield
        finally:
            _holding = False


def _usable() -> list[str] | None:
    """The GPUs that this process may use, by names that mean the same GPU in every job of the machine.

    A scheduler may number the GPUs of each job from 0, so numbers in `CUDA_VISIBLE_DEVICES` become UUIDs. None where
    there is no `nvidia-smi` to ask, or it lists none.
    """
    if not shutil.which("nvidia-smi"):
        return None
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60).stdout
    names = dict(re.findall(r"^GPU (\d+):.*\(UUID: (GPU-[^)]+)\)", listed, re.MULTILINE))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [names.get(gpu, gpu) for gpu in visible.split(",") if gpu]
    return [*names.values()] or None


def _wait_for(count: int, names: list[str], held: contextlib.ExitStack) -> list[str]:
    if len(names) < count:
        raise UserError(f"config/config.yaml: gpus: {count} are asked for, this job may use {len(names)}")
    while True:
        mine: list[str] = []
        for name in names:
            if len(mine) < count and held.enter_context(locked(_lock(name), wait=False)):
                mine.append(name)
        if len(mine) == count:
            return mine
        held.close()
        time.sleep(1)


def _lock(name: str) -> Path:
    return Path(tempfile.gettempdir()) / f"cfm-gpu-{re.sub('[^A-Za-z0-9-]', '-', name)}.lock"
