"""SIGTERM, which a scheduler, `kill` or `timeout` sends to a command alone, as Ctrl-C, which all its processes get."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

import psutil

_SECONDS = 10  # for jobs to end by themselves; a kill costs little
_PAUSE = 0.1


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
    """Interrupt a process and all below it, and kill those that do not end, or ignore interrupts as under `nohup`.

    What it starts meanwhile is interrupted too: a workflow whose job has just been interrupted may begin the next one
    before it sees that it was interrupted itself, and that job would outlive it.
    """
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    told: set[psutil.Process] = set()
    deadline = time.monotonic() + _SECONDS
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            for member in {process, *process.children(recursive=True)} - told:
                told.add(member)
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.send_signal(signal.SIGINT)
            psutil.wait_procs([process], timeout=_PAUSE)
        process.suspend()  # it starts nothing more
        told |= {process, *process.children(recursive=True)}
    for member in psutil.wait_procs(told - {process}, timeout=max(deadline - time.monotonic(), 0))[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
