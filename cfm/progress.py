"""What runs now: small files that jobs keep while they work, and the lines printed from them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from cfm.resume import write_text


@dataclass(frozen=True)
class Note:
    """One running job: what it is, its process, how far it has come, and when it said so."""

    job: str
    pid: int
    step: int
    steps: int
    text: str
    began: float
    updated: float

    @property
    def valid(self) -> bool:
        """Is it a note as jobs write them, fit to be printed?"""
        whole = all(type(number) is int for number in (self.pid, self.step, self.steps)) and self.pid > 0
        clocks = all(type(clock) is float for clock in (self.began, self.updated))
        words = all(isinstance(text, str) and text.isprintable() for text in (self.job, self.text))
        return whole and clocks and words and " " in self.job

    @property
    def alive(self) -> bool:
        """Is the process that wrote the note still there (on this machine)?"""
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            return True
        return True


class Progress:
    """Reports of one job: a line in its log at most every few seconds, and its note for `status`."""

    def __init__(self, folder: Path, job: str) -> None:
        self.path = folder / f"{job.replace('/', '-').replace(' ', '-')}.json"
        self.job, self.began, self._shown, self._first = job, time.time(), 0.0, 0

    def __call__(self, step: int, steps: int, text: str) -> None:
        """Note that `step` of `steps` is done."""
        now = time.time()
        if now - self._shown < 5 and step < steps:
            return
        self._shown = now
        print(f"{self.job}: {step}/{steps}  {text}  ({now - self.began:.0f} s)", file=sys.stderr, flush=True)
        write_text(self.path, json.dumps(asdict(Note(self.job, os.getpid(), step, steps, text, self.began, now))))

    def close(self) -> None:
        """The job has ended."""
        self.path.unlink(missing_ok=True)


def notes(folder: Path) -> Iterator[Note]:
    """The notes of jobs whose process is alive; those of killed jobs are removed."""
    for path in sorted(folder.glob("*.json")):
        try:
            note = Note(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            continue
        if not note.valid:
            continue
        if note.alive:
            yield note
        else:
            path.unlink(missing_ok=True)
