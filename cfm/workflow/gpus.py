"""The GPUs of one job: those that no other job of this machine holds, and several for one training."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cfm.errors import UserError


def usable() -> list[str]:
    """The GPUs that this process may use, by names that mean the same GPU in every job of the machine.

    A scheduler may number the GPUs of each job from 0, so numbers in `CUDA_VISIBLE_DEVICES` become UUIDs. Empty where
    there is no `nvidia-smi` to ask: then nothing is known, and nothing is changed.
    """
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60).stdout
    names = dict(re.findall(r"^GPU (\d+):.*\(UUID: (GPU-[^)]+)\)", listed, re.MULTILINE))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [*names.values()] if visible is None else [names.get(gpu, gpu) for gpu in visible.split(",") if gpu]


@contextlib.contextmanager
def taken(count: int) -> Iterator[None]:
    """Hold so many usable GPUs that no other job holds, waiting for them; CUDA sees only these.

    `UserError` if there are fewer.
    """
    names = usable() if count else []
    if not names:
        yield
        return
    if len(names) < count:
        raise UserError(f"config/config.yaml: gpus: {count} are asked for, this job may use {len(names)}")
    with contextlib.ExitStack() as held:
        while len(mine := _take(names, count, held)) < count:
            held.close()
            time.sleep(1)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(mine)
        yield


def _take(names: list[str], count: int, held: contextlib.ExitStack) -> list[str]:
    mine: list[str] = []
    for name in names:
        if len(mine) < count and _lock(name, held):
            mine.append(name)
    return mine


def _lock(name: str, held: contextlib.ExitStack) -> bool:
    file = open(Path(tempfile.gettempdir()) / f"cfm-taken-{name}.lock", "w")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    held.callback(file.close)
    return True


def torchrun(count: int) -> int:
    """This very command in so many processes, one per GPU, that share every batch; its exit code."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    return subprocess.run([*launcher, "-m", "cfm", *sys.argv[1:]]).returncode
