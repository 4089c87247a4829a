"""The state of a budget: which runs are done, running, failed or missing, and where their logs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfm.artifacts.layout import MODEL, Run, samples_path
from cfm.artifacts.metrics import is_measured, read_metrics
from cfm.config import Config
from cfm.config.entries import NamedDataset, by_name
from cfm.stages import OF_RUNS
from cfm.workflow import slurm
from cfm.workflow.progress import notes


@dataclass(frozen=True)
class RunState:
    """One run: `done`, `failed` (with a reason), `running` or `missing`.

    `stages` that it goes through, each with its log; `passed` of them it has behind it.
    """

    experiment: str
    dataset: str
    method: str
    seed: int
    state: str
    reason: str
    stages: tuple[str, ...]
    logs: tuple[Path, ...]
    passed: int

    @property
    def run(self) -> Run:
        return Run(self.dataset, self.method, self.seed)

    @property
    def log(self) -> Path:
        """Of its first stage."""
        return self.logs[0]


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
                stages = stages_of(config, experiment, method)
                logs = tuple(config.layout.log(f"{experiment}/{dataset}/{method}-{s}-{chunk[0]}") for s in stages)
                for seed in (seed for seed in chunk if seed in config.seeds(experiment, dataset, method)):
                    folder = config.layout.run(experiment, dataset, method, seed)
                    state, reason = _state(folder)
                    if state == "missing" and at_work:
                        state = "running"
                    done = state in ("done", "failed")
                    passed = len(stages) if done else passed_stages(config, experiment, dataset, method, seed)
                    states.append(RunState(experiment, dataset, method, seed, state, reason, stages, logs, passed))
    return states


def stages_of(config: Config, experiment: str, method: str) -> tuple[str, ...]:
    """The stages of a run, each a job of its own; the rule of another's method trains and samples in one."""
    if config.experiments[experiment].objective:
        return ("objective",)
    own = not config.methods[method].external
    return (*(["train"] if own and config.training(experiment, method) else []), "sample", "evaluate")


def passed_stages(config: Config, experiment: str, dataset: str, method: str, seed: int) -> int:
    """How many of its stages a run that is not measured has behind it, by the files that are there."""
    folder, stages = config.layout.run(experiment, dataset, method, seed), stages_of(config, experiment, method)
    solvers = config.experiments[experiment].solvers
    if "sample" in stages and all(samples_path(folder, solver).exists() for solver in solvers):
        return stages.index("evaluate")
    return int("train" in stages and (folder / MODEL).exists())


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
