"""`make status`: what is done, running, failed, half-way or missing, what comes next, and where the logs are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from cfm.config import Config
from cfm.errors import UserError
from cfm.results.figures.base import figures_due, kind_of
from cfm.workflow import slurm
from cfm.workflow.progress import notes
from cfm.workflow.status import RunState, run_states, skipped_lines

_HALF_WAY = {"train": "trained", "sample": "sampled"}  # by the last stage that is done: not measured yet


def print_status(config: Config, more: Sequence[str] = ()) -> int:
    """Print a line per experiment, one per failed run and per method that is not done, and `more` lines."""
    jobs, lines = _in_slurm(config)
    states = run_states(config, jobs)
    for experiment in config.experiments:
        mine = [state for state in states if state.experiment == experiment]
        counts = Counter(_word(state) for state in mine)
        words = ("done", "running", "failed", *_HALF_WAY.values(), "missing")
        summary = ", ".join(
            f"{counts[word]} {word}" for word in words if counts[word] or word not in _HALF_WAY.values()
        )
        print(f"{config.budget}/{experiment}: runs: {summary}; {_made(config, experiment)}")
        for state in mine:
            if state.state == "failed":
                print(f"  failed  {state.run}: {state.reason} ({state.log})")
        _print_unfinished(mine)
    for line in [*skipped_lines(config), *more, *lines]:
        print(line)
    for note in notes(config.layout.root / ".progress"):
        print(f"  now     {note.job}: {note.step}/{note.steps}, {time.time() - note.began:.0f} s, {note.text}")
    return 0


def _word(state: RunState) -> str:
    half_way = state.state == "missing" and state.passed
    return _HALF_WAY[state.stages[state.passed - 1]] if half_way else state.state


def _made(config: Config, experiment: str) -> str:
    """How many of the tables and figures are there."""
    settings = config.experiments[experiment]
    tables = [config.layout.table(experiment, name, "md") for name in settings.tables]
    figures = [
        config.layout.figure(experiment, name, dataset, kind_of(settings.figures[name]).suffixes[0])
        for name, dataset in figures_due(config, experiment)
    ]
    there = [sum(path.exists() for path in paths) for paths in (tables, figures)]
    return f"tables: {there[0]} of {len(tables)}; figures: {there[1]} of {len(figures)}"


def _in_slurm(config: Config) -> tuple[list[slurm.Job] | None, list[str]]:
    """The jobs of the budget, None if they are not known (or elsewhere), and a line about them."""
    try:
        jobs = slurm.jobs(config.layout.root)
    except UserError as error:
        return None, [f"  what runs in Slurm is not known: {error}"]
    if not jobs:
        return jobs, []
    waiting = sum(job.waits for job in jobs)
    return jobs, [f"  Slurm   {len(jobs) - waiting} jobs running, {waiting} waiting"]


def _print_unfinished(states: Sequence[RunState]) -> None:
    """A line for each method that is not done and not at work: how far it is, what comes next, and that stage's log."""
    groups: dict[tuple[str, str, str], list[RunState]] = {}
    for state in states:
        if state.state == "missing":
            groups.setdefault((_word(state), state.dataset, state.method), []).append(state)
    for (word, dataset, method), runs in groups.items():
        following, log = runs[0].stages[runs[0].passed], runs[0].logs[runs[0].passed]
        where = f"last log: {log}" if log.exists() else "not started"
        seeds = ", ".join(str(run.seed) for run in runs)
        print(f"  {word:7s} {dataset}/{method}, seeds {seeds}: next: {following} ({where})")
