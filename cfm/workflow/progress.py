"""What runs now: small files that jobs keep while they work, and the lines printed from them."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from cfm.files import write_text

_SILENT_SECONDS = 600  # a job on another machine that has said nothing for so long counts as gone


@dataclass(frozen=True)
class Note:
    """One running job: what it is, its process, how far it has come, when and where it said so, its number in Slurm."""

    job: str
    pid: int
    step: int
    steps: int
    text: str
    began: float
    updated: float
    host: str = ""
    slurm: str = ""

    @property
    def valid(self) -> bool:
        """Is it a note as jobs write them, fit to be printed?"""
        whole = all(type(number) is int for number in (self.pid, self.step, self.steps)) and self.pid > 0
        clocks = all(type(clock) is float for clock in (self.began, self.updated))
        words = all(isinstance(text, str) and text.isprintable() for text in (self.job, self.text))
        return whole and clocks and words and " " in self.job

    @property
    def alive(self) -> bool:
        """Is the process that wrote the note still there? On another machine: has it been heard of lately?"""
        if self.host not in ("", socket.gethostname()):
            return time.time() - self.updated < _SILENT_SECONDS
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
        place = (socket.gethostname(), os.environ.get("SLURM_JOB_ID", ""))
        note = Note(self.job, os.getpid(), step, steps, text, self.began, now, *place)
        write_text(self.path, json.dumps(asdict(note)))

    def close(self) -> None:
        """The job has ended."""
        self.path.unlink(missing_ok=True)


def notes(folder: Path, in_slurm: Collection[str] | None = None) -> Iterator[Note]:
    """The notes of jobs that are alive, as far as is known.

    `in_slurm` are the numbers of the jobs that are there, where Slurm has been asked.
    """
    for _, note in _valid(folder):
        ended = in_slurm is not None and note.slurm and note.slurm not in in_slurm
        if note.alive and not ended:
            yield note


def sweep(folder: Path) -> None:
    """Remove the notes of killed jobs."""
    for path, note in _valid(folder):
        if not note.alive:
            path.unlink(missing_ok=True)


def _valid(folder: Path) -> Iterator[tuple[Path, Note]]:
    for path in sorted(folder.glob("*.json")):
        try:
            note = Note(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            continue
        if note.valid:
            yield path, note
