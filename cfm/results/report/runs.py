"""The runs of an experiment as the page lists them: their states, and links to the logs that there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfm.artifacts.runs import read_runs
from cfm.config import Config
from cfm.results.labels import dataset_label
from cfm.stages import OF_RUNS
from cfm.workflow.status import RunState, run_states

_STATES = ("done", "failed", "running", "unfinished", "not run")


@dataclass(frozen=True)
class RunLine:
    """The runs of a method on a data set that share their jobs; `logs` by stage, relative to the page.

    `state`: done, running, failed (a row of the tables, with its reason), unfinished (there is a log and no result; the
    reason is the log's last line) or not run.
    """

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
    def bad(self) -> list[RunLine]:
        """Those that failed or did not finish."""
        return [line for line in self.lines if line.state in ("failed", "unfinished")]

    @property
    def complete(self) -> bool:
        """Has every run its row in the tables?"""
        return self.counts.keys() <= {"done", "failed"}


def runs_by_experiment(config: Config) -> dict[str, Runs]:
    """Of every experiment that has runs."""
    states = run_states(config)
    return {name: _runs(config, name, [s for s in states if s.experiment == name]) for name in config.experiments}


def _runs(config: Config, experiment: str, states: list[RunState]) -> Runs:
    # Of runs made elsewhere only the numbers may be here.
    elsewhere = _collected(config, experiment) if all(s.state == "missing" for s in states) else {}
    groups: dict[tuple[str, str, str, str, Path], list[int]] = {}
    counts: Counter[str] = Counter()
    for s in states:
        state, reason = s.state, s.reason
        if state == "missing":
            state, reason = elsewhere.get((s.dataset, s.method, s.seed)) or _unfinished(s)
        counts[state] += 1
        groups.setdefault((s.dataset, s.method, state, reason, s.log), []).append(s.seed)
    lines = []
    for (dataset, method, state, reason, log), seeds in groups.items():
        labels = dataset_label(config, experiment, dataset), config.methods[method].entry.label
        logs = {stage: path.relative_to(config.layout.root) for stage, path in _logs(log).items()}
        lines.append(RunLine(*labels, seeds, state, reason, logs))
    return Runs({state: counts[state] for state in _STATES if counts[state]}, lines)


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


def _unfinished(run: RunState) -> tuple[str, str]:
    """State and reason of a run without a result."""
    logs = [*_logs(run.log).values()]
    if not logs:
        return "not run", ""
    lines = [line.strip() for line in logs[-1].read_text(encoding="utf-8", errors="replace").splitlines()]
    return "unfinished", next((line for line in reversed(lines) if line), "an empty log")


def _logs(first: Path) -> dict[str, Path]:
    """The logs that there are of the stages that make a run, by stage; `first` is where that of the first one is."""
    method, _, seed = first.stem.rsplit("-", 2)
    paths = {stage: first.with_name(f"{method}-{stage}-{seed}.log") for stage in OF_RUNS}
    return {stage: path for stage, path in paths.items() if path.exists()}
