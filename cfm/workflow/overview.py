"""The live overview of `make reproduce`: jobs done, what each job is at, how long it will take, and errors."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cfm.workflow.progress import Note, notes

_EVERY_SECONDS, _FIRST_SECONDS = 15, 5
_LATER_SECONDS, _LATER = 60, 600  # once it has gone on for ten minutes: how often, after how many seconds
_LOG_LINES = 15
_SILENT = 8  # jobs that do not say how far they are, of which there may be a hundred in a cluster


class Overview:
    """Made of Snakemake's events, and of the notes of the jobs in `folder`; `begun` is what it calls jobs that are."""

    def __init__(self, folder: Path, begun: str = "at work") -> None:
        self.folder, self.begun = folder, begun
        self.done, self.total, self.began = 0, 0, time.time()
        self.phase = "reading the configuration and the rules"  # until Snakemake says otherwise
        self.complained, self.ended = False, threading.Event()
        self._running: dict[int, tuple[str, float]] = {}  # what each job says of itself, and since when
        self._first: dict[str, tuple[int, float]] = {}

    def see(self, event: Mapping[str, Any]) -> None:
        """Take note of an event (`cfm.workflow.events`); a failing job or another error is printed."""
        if "phase" in event:
            self.phase = f"{event['phase']}: which jobs are to do?"
        if "total" in event:
            self.done, self.total = event["done"], event["total"]
        if "begun" in event:
            self._running[event["begun"]] = (event["job"]["message"], time.time())
        if "ended" in event:
            self._running.pop(event["ended"], None)
        if "failure" in event or "error" in event:
            self.complained = True
            lines = _failure(event["failure"]) if "failure" in event else [event["error"].strip()]
            print("\n".join(lines), flush=True)

    def repeat(self) -> None:
        """Print the state every few seconds until `ended` is set (a daemon thread)."""
        wait = _FIRST_SECONDS
        while not self.ended.wait(wait):
            now = time.time()
            print("\n".join(self.lines(now)), flush=True)
            wait = _EVERY_SECONDS if now - self.began < _LATER else _LATER_SECONDS

    def lines(self, now: float) -> list[str]:
        """The state at a time: one line of all jobs, and one of each that is at work, with how far it is if it says."""
        running = [*self._running.values()]  # another thread changes it
        said = [*notes(self.folder)]
        jobs = f"{self.done}/{self.total} jobs" if self.total else self.phase
        jobs += f", {len(running)} {self.begun}" if running else ""
        known = {_where(note.job) for note in said}
        silent = [(text, since) for text, since in running if text and _where(text) not in known]
        lines = [f"         {text}: since {span(now - since)}" for text, since in silent[:_SILENT]]
        return [f"[{_clock(now - self.began)}] {jobs}", *map(self._job, said), *lines]

    def _job(self, note: Note) -> str:
        """With the time left from the steps since the job was first seen: it may have gone on from a kept state."""
        step, since = self._first.setdefault(note.job, (note.step, note.updated))
        words = f"         {note.job}: {note.step}/{note.steps}, {note.text}"
        if note.step <= step or note.step >= note.steps:
            return words
        return f"{words}, {span((note.steps - note.step) * (note.updated - since) / (note.step - step))} left"


def _where(text: str) -> tuple[str, ...]:
    """Verb, cell and first seed of a job: its note and the message of its rule spell the seeds differently."""
    return tuple(re.findall(r"[\w/.+-]+", text.replace("-", " "))[:4])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:3d}:{rest:02d}"


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


def span(seconds: float) -> str:
    """Seconds in words, in the unit that suits them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
