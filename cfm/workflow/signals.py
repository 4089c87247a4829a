"""SIGTERM, which a scheduler, `kill` or `timeout` sends to a command alone, as Ctrl-C, which all its processes get."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

import psutil

_SECONDS = 10  # for jobs to end by themselves; a kill costs little


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived."""


@contextlib.contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """SIGTERM raises `Terminated` here. For the main thread."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def stop(pid: int) -> None:
    """Interrupt a process and all below it, and kill those that do not end, or ignore interrupts as under `nohup`."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(signal.SIGINT)
    for member in psutil.wait_procs(family, timeout=_SECONDS)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
