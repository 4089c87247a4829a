"""The live overview of `make reproduce`: jobs done, what each job is at, how long it will take, and errors."""

from __future__ import annotations

import re
import time
from pathlib import Path

from cfm.workflow.progress import Note, notes

_EVERY_SECONDS = 15
_STEPS = re.compile(r"^(\d+) of (\d+) steps")
_RULE = re.compile(r"^=+$")
_LOG_LINES = 15
# Of a failing job's report: what says no more than the rest.
_SKIPPED = ("message: None", "jobid:", "input:", "output:", "shell:", "(command exited")


class Overview:
    """Reads Snakemake's output line by line, and the notes of the jobs in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done, self.total, self.began = 0, 0, time.time()
        self._failing = False
        self._log: list[str] | None = None
        self._first: dict[str, tuple[int, float]] = {}

    def see(self, line: str) -> None:
        """Take note of a line; what belongs to a failing job's report is printed, of its log the last lines."""
        steps = _STEPS.match(line)
        if steps:
            self.done, self.total = int(steps[1]), int(steps[2])
        if self._log is not None:
            self._see_log(line.rstrip())
            return
        # A failing job's report starts with this line and ends with an empty one or with the job's log.
        self._failing = line.startswith(("Error", "WorkflowError")) or (self._failing and bool(line.strip()))
        if line.startswith("Logfile "):
            self._failing, self._log = False, []
        elif self._failing or line.startswith("error:"):
            self._show(line.rstrip())

    def _show(self, line: str) -> None:
        """Without long lists of files; the command as one repeats it by hand, its output on the screen."""
        text = line.strip()
        if text.startswith("python -m cfm "):
            print(f"    by hand: {text.split(' > ')[0]}", flush=True)
        elif not text.startswith(_SKIPPED):
            print(line, flush=True)

    def _see_log(self, line: str) -> None:
        """The log stands between two rules of `=`."""
        assert self._log is not None
        if not _RULE.match(line) or not self._log:
            self._log.append(line)
            return
        for text in self._log[1:][-_LOG_LINES:]:
            print(f"    | {text}", flush=True)
        self._log = None

    def repeat(self) -> None:
        """Print the state every few seconds, for ever (a daemon thread)."""
        while True:
            time.sleep(_EVERY_SECONDS)
            print("\n".join(self.lines(time.time())), flush=True)

    def lines(self, now: float) -> list[str]:
        """The state at a time: one line of all jobs, and one of each that says how far it is."""
        minutes, seconds = divmod(int(now - self.began), 60)
        jobs = f"{self.done}/{self.total} jobs" if self.total else "starting"
        return [f"[{minutes:3d}:{seconds:02d}] {jobs}", *(self._job(note) for note in notes(self.folder))]

    def _job(self, note: Note) -> str:
        """With the time left from the steps since the job was first seen: it may have gone on from a kept state."""
        step, since = self._first.setdefault(note.job, (note.step, note.updated))
        words = f"         {note.job}: {note.step}/{note.steps}, {note.text}"
        if note.step <= step or note.step >= note.steps:
            return words
        return f"{words}, {_span((note.steps - note.step) * (note.updated - since) / (note.step - step))} left"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
