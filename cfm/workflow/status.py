"""The state of a budget: which runs are done, running, failed or missing, and where their logs are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfm.artifacts.layout import Run
from cfm.artifacts.metrics import is_measured, read_metrics
from cfm.config import Config
from cfm.config.entries import NamedDataset, by_name
from cfm.errors import UserError
from cfm.stages import OF_RUNS
from cfm.workflow import slurm
from cfm.workflow.progress import notes


@dataclass(frozen=True)
class RunState:
    """One run: `done`, `failed` (with a reason), `running` or `missing`."""

    experiment: str
    dataset: str
    method: str
    seed: int
    state: str
    reason: str
    log: Path

    @property
    def run(self) -> Run:
        return Run(self.dataset, self.method, self.seed)


def run_states(config: Config, jobs: Sequence[slurm.Job] | None = None) -> list[RunState]:
    """The state of every run of the budget, from the files that are there, and from what Slurm says if it was asked."""
    numbers = None if jobs is None else [job.number for job in jobs]
    running = {note.job.split(" ")[1] for note in notes(config.layout.root / ".progress", numbers)}
    rules = {job.rule for job in jobs or () if not job.waits}
    states = []
    for experiment in config.experiments:
        for dataset, method in config.pairs(experiment):
            for chunk in config.chunks(experiment, dataset, method):
                job = config.job(experiment, chunk)
                names = {slurm.rule(stage, job, dataset, method) for stage in OF_RUNS}
                at_work = f"{experiment}/{dataset}/{method}" in running or not rules.isdisjoint(names)
                for seed in (seed for seed in chunk if seed in config.seeds(experiment, dataset, method)):
                    folder = config.layout.run(experiment, dataset, method, seed)
                    state, reason = _state(folder)
                    if state == "missing" and at_work:
                        state = "running"
                    own = not config.methods[method].external  # the log of another's rule is that of its samples
                    stage = "train" if own and config.training(experiment, method) else "sample"
                    stage = "objective" if config.experiments[experiment].objective else stage
                    log = config.layout.log(f"{experiment}/{dataset}/{method}-{stage}-{chunk[0]}")
                    states.append(RunState(experiment, dataset, method, seed, state, reason, log))
    return states


def _state(folder: Path) -> tuple[str, str]:
    if not is_measured(folder):
        return "missing", ""
    results = read_metrics(folder)
    failed = [result["reason"] for result in results.values() if result["status"] == "failed"]
    return ("failed", failed[0]) if failed else ("done", "")


def described(config: Config) -> dict[str, str]:
    """The data sets by the name that an experiment uses, those of a group together, with what they are."""
    found = {}
    for name, members in by_name(config.datasets).items():
        first = config.datasets[members[0]]
        if name == first.group:
            found[name] = f"{first.group_label}: {', '.join(members)}"
        elif config.datasets[name].group is None:
            found[name] = first.entry.label
    return {name: found[name] for name in dict.fromkeys(d.group or n for n, d in config.datasets.items())}


def absent_files(datasets: Mapping[str, NamedDataset]) -> dict[str, str]:
    """Of the data sets, by group, those that cannot be had on this machine, with the reason."""
    reasons = {name: named.dataset.unavailable_reason() for name, named in datasets.items()}
    return by_group(datasets, {name: reason for name, reason in reasons.items() if reason is not None})


def by_group(datasets: Mapping[str, NamedDataset], reasons: Mapping[str, str]) -> dict[str, str]:
    """Reasons by data set, those of a group once, under its name."""
    return {datasets[name].group or name: reason for name, reason in reasons.items()}


def skipped_lines(config: Config) -> list[str]:
    """A line per experiment and data set (or group) that it goes without."""
    return [
        f"skipped: {experiment}/{name}: {reason}"
        for experiment in config.experiments
        for name, reason in by_group(config.datasets, config.unavailable_reasons(experiment)).items()
    ]


def print_status(config: Config, more: Sequence[str] = ()) -> int:
    """Print a line per experiment, one per running, failed or missing method, and `more` lines."""
    jobs, lines = _in_slurm(config)
    states = run_states(config, jobs)
    for experiment, settings in config.experiments.items():
        mine = [state for state in states if state.experiment == experiment]
        counts = Counter(state.state for state in mine)
        tables = [config.layout.table(experiment, name, "md") for name in settings.tables]
        made = sum(path.exists() for path in tables)
        summary = ", ".join(f"{counts[name]} {name}" for name in ("done", "running", "failed", "missing"))
        print(f"{config.budget}/{experiment}: runs: {summary}; tables: {made} of {len(tables)}")
        for state in mine:
            if state.state == "failed":
                print(f"  failed  {state.run}: {state.reason} ({state.log})")
        _print_missing(mine)
    for line in [*skipped_lines(config), *more, *lines]:
        print(line)
    for note in notes(config.layout.root / ".progress"):
        print(f"  now     {note.job}: {note.step}/{note.steps}, {time.time() - note.began:.0f} s, {note.text}")
    return 0


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


def _print_missing(states: list[RunState]) -> None:
    missing: dict[tuple[str, str], list[RunState]] = {}
    for state in states:
        if state.state == "missing":
            missing.setdefault((state.dataset, state.method), []).append(state)
    for (dataset, method), runs in missing.items():
        log = runs[0].log
        where = f"last log: {log}" if log.exists() else "not started"
        print(f"  missing {dataset}/{method}, seeds {', '.join(str(run.seed) for run in runs)} ({where})")
