"""The live overview of `make reproduce`: jobs done, what each job is at, how long it will take, and errors."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfm.workflow.progress import Note, notes

_EVERY_SECONDS = 15
_LOG_LINES = 15


class Overview:
    """Made of Snakemake's events, and of the notes of the jobs in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done, self.total, self.began = 0, 0, time.time()
        self.complained = False
        self._first: dict[str, tuple[int, float]] = {}

    def listen(self, pipe: int) -> None:
        """See all events that come through the pipe, to its end (a thread)."""
        with open(pipe, encoding="ascii") as lines:
            for line in lines:
                if line.endswith("\n"):  # else the sender was killed in the middle
                    self.see(json.loads(line))

    def see(self, event: Mapping[str, Any]) -> None:
        """Take note of an event (`cfm.workflow.events`); a failing job or another error is printed."""
        if "total" in event:
            self.done, self.total = event["done"], event["total"]
        else:
            self.complained = True
            lines = _failure(event) if "rule" in event else [event["error"].strip()]
            print("\n".join(lines), flush=True)

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


def _failure(event: Mapping[str, Any]) -> list[str]:
    """A failing job: what is known, its command as one repeats it by hand, with the output on the screen, and logs."""
    lines = [f"Error in rule {event['rule']}:"]
    lines += [f"    {name}: {value}" for name, value in event["facts"].items() if value]
    command = (event["command"] or "").strip()
    if command.startswith("python -m cfm "):
        lines.append(f"    by hand: {command.split(' > ')[0]}")
    elif command:
        lines.append(f"    shell: {command}")
    return lines + [line for log in event["logs"] for line in last_lines(Path(log))]


def last_lines(log: Path) -> list[str]:
    """The end of a log, indented; nothing if it cannot be read."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [f"    | {line}" for line in lines[-_LOG_LINES:]]


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
