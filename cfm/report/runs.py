"""The runs of an experiment as the page lists them: their states, and links to the logs that there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfm.config import Config
from cfm.stages.collect import read_runs
from cfm.status import RunState, run_states

_STAGES = ("train", "sample", "evaluate", "objective")


@dataclass(frozen=True)
class RunLine:
    """The runs of a method on a data set that share their jobs; `logs` by stage, relative to the page."""

    dataset: str
    method: str
    seeds: Sequence[int]
    state: str
    reason: str
    logs: Mapping[str, Path]


@dataclass(frozen=True)
class Runs:
    """All runs of an experiment: how many are in each state, and a line for each group that shares jobs and state."""

    counts: Mapping[str, int]
    lines: Sequence[RunLine]

    @property
    def failed(self) -> list[RunLine]:
        return [line for line in self.lines if line.state == "failed"]


def runs_by_experiment(config: Config) -> dict[str, Runs]:
    """Of every experiment that has runs."""
    states = run_states(config)
    return {name: _runs(config, name, [s for s in states if s.experiment == name]) for name in config.experiments}


def _runs(config: Config, experiment: str, states: list[RunState]) -> Runs:
    collected = _collected(config, experiment)
    groups: dict[tuple[str, str, str, str, Path], list[int]] = {}
    counts: Counter[str] = Counter()
    for s in states:
        state, reason = s.state, s.reason
        if state == "missing":  # the run may have been made elsewhere, and only its numbers kept
            state, reason = collected.get((s.dataset, s.method, s.seed), ("not run", ""))
        counts[state] += 1
        groups.setdefault((s.dataset, s.method, state, reason, s.log), []).append(s.seed)
    lines = [
        RunLine(
            config.datasets[dataset].entry.label,
            config.methods[method].entry.label,
            seeds,
            state,
            reason,
            _logs(config, experiment, dataset, method, log),
        )
        for (dataset, method, state, reason, log), seeds in groups.items()
    ]
    return Runs(counts, lines)


def _collected(config: Config, experiment: str) -> dict[tuple[str, str, int], tuple[str, str]]:
    """State and reason of the runs in runs.csv."""
    path = config.layout.runs(experiment)
    if not path.exists():
        return {}
    table = read_runs(path)
    found = {(d, m, int(s)): ("done", "") for d, m, s in zip(table.dataset, table.method, table.seed, strict=True)}
    failed = table[table.status == "failed"]
    for d, m, s, reason in zip(failed.dataset, failed.method, failed.seed, failed.reason, strict=True):
        found[d, m, int(s)] = ("failed", str(reason))
    return found


def _logs(config: Config, experiment: str, dataset: str, method: str, log: Path) -> dict[str, Path]:
    """The logs that there are of the stages that made the runs; `log` is the one of their first stage."""
    first = log.stem.rsplit("-", 1)[1]  # the seed that names the job
    paths = {stage: config.layout.log(f"{experiment}/{dataset}/{method}-{stage}-{first}") for stage in _STAGES}
    return {stage: path.relative_to(config.layout.root) for stage, path in paths.items() if path.exists()}
