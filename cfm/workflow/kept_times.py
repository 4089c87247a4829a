"""How long the stages of runs took that are on this machine, or kept in the repository: what an estimate is made of.

A stage is looked up where it is most alike: the same cell, else the same method on another data set of the
experiment, else the median of the experiment's other methods. Times are scaled to the seeds and training steps asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from cfm.artifacts.layout import SPEC, Layout
from cfm.artifacts.provenance import read_provenance
from cfm.config import Config
from cfm.config.config import has_gpu
from cfm.errors import UserError
from cfm.files import read_json
from cfm.workflow.jobs import Job

HERE, KEPT = "here", "kept"
_STAGES = {"objective": "evaluate"}  # the name under which provenance has it
# A training of S seeds at once costs 2 + S (measured for the networks of the plane: 9.5, 13 and 16 s for S = 1, 2, 3).
_SHARED_BY_SEEDS = 2


@dataclass(frozen=True)
class Timed:
    """Seconds of a stage of `seeds` runs that one process made, the work of its training, where it ran and when."""

    seconds: float
    seeds: int
    work: float
    where: str
    machines: tuple[str, ...]
    day: str


@dataclass(frozen=True)
class Found:
    """What a job is expected to take, and of what: `cell`, `dataset` (another one), `method` (others)."""

    seconds: float
    alike: str
    timed: tuple[Timed, ...]


class KeptTimes:
    """Of all stages of the experiments of `config`: of its own results first, then of those in `reference`."""

    def __init__(self, config: Config, reference: Path) -> None:
        self.config = config
        self._times: dict[tuple[str, str], dict[tuple[str, str], Timed]] = {}  # experiment, stage: data set, method
        for experiment in config.experiments:
            self._add(experiment, _kept(Layout(str(reference), config.budget).kept_provenance(experiment), config))
            self._add(experiment, _made_here(config, experiment))

    def _add(self, experiment: str, records: Iterable[_Record]) -> None:
        cells: dict[tuple[str, str, str], list[_Record]] = {}
        for record in records:
            cells.setdefault((record.stage, record.dataset, record.method), []).append(record)
        for (stage, dataset, method), found in cells.items():
            self._times.setdefault((experiment, stage), {})[dataset, method] = _together(found)

    def find(self, job: Job) -> Found | None:
        """What the job takes beside its start-up; None if nothing alike is known."""
        known = self._times.get((job.experiment, _STAGES.get(job.verb, job.verb)), {})
        made_alike = [cell for cell in known if self._kind(cell[1], job) == self._kind(job.method, job)]
        for alike, cells in (
            ("cell", [(job.dataset, job.method)]),
            ("dataset", [cell for cell in known if cell[1] == job.method]),
            ("method", [cell for cell in made_alike if self._family(cell[1]) == self._family(job.method)]),
            ("method", [cell for cell in made_alike if cell[0] == job.dataset]),
            ("method", made_alike),
        ):
            timed = tuple(known[cell] for cell in cells if cell in known)
            if timed:
                return Found(median(self._scaled(one, job) for one in timed), alike, timed)
        return None

    def _kind(self, method: str, job: Job) -> tuple[bool, bool] | None:
        """Is it external, and is it not trained? Times of a cell that config/ does not have any more are no guide."""
        named = self.config.methods.get(method)
        return (named.external, self.config.training(job.experiment, method) is None) if named else None

    def _family(self, method: str) -> str | None:
        named = self.config.methods.get(method)
        return named.entry.family if named else None

    def _scaled(self, timed: Timed, job: Job) -> float:
        if job.verb != "train":
            return timed.seconds * len(job.seeds) / timed.seeds
        work = _work(self.config, job.experiment, job.method)
        seeds = (_SHARED_BY_SEEDS + len(job.seeds)) / (_SHARED_BY_SEEDS + timed.seeds)
        return timed.seconds * seeds * (work / timed.work if work and timed.work else 1)


@dataclass(frozen=True)
class _Record:
    stage: str
    dataset: str
    method: str
    began: datetime
    ended: datetime
    work: float
    where: str
    machines: tuple[str, ...]


def _together(records: list[_Record]) -> Timed:
    """Seeds share a process: what they took is the time that any of them was at work."""
    seconds, until = 0.0, None
    for record in sorted(records, key=lambda record: record.began):
        begins = record.began if until is None else max(record.began, until)
        seconds += max((record.ended - begins).total_seconds(), 0)
        until = record.ended if until is None else max(until, record.ended)
    last = max(records, key=lambda record: record.ended)
    return Timed(seconds, len(records), last.work, last.where, last.machines, last.ended.date().isoformat())


def _made_here(config: Config, experiment: str) -> Iterator[_Record]:
    for run, folder in config.runs(experiment).items():
        try:
            stages = read_provenance(folder)
            train = read_json(folder / SPEC).get("train") if stages else None
            for stage, record in stages.items():
                if record.get("device") == "cuda" or not has_gpu(config.main):  # a CPU's times say nothing of a GPU
                    began, ended = (datetime.fromisoformat(record[name]) for name in ("started", "finished"))
                    machines = (_machine(record["machine"]),)
                    yield _Record(stage, run.dataset, run.method, began, ended, _size(train), HERE, machines)
        except (UserError, KeyError, TypeError, ValueError):
            continue  # the run itself will say that it is damaged: an estimate can do without it


def _kept(path: Path, config: Config) -> Iterator[_Record]:
    try:
        stored = read_json(path)
        facts, settings = stored["facts"], stored["settings"]["experiment"]
        if has_gpu(config.main) and "cuda" not in facts["device"]:
            return
        machines = tuple(dict.fromkeys(map(_machine, facts["machine"])))
        for name, run in stored["runs"].items():
            dataset, method, _ = name.split("/")
            train = (settings.get("train_of") or {}).get(method, settings.get("train"))
            for stage, times in run["time"].items():
                began, ended = map(datetime.fromisoformat, times)
                yield _Record(stage, dataset, method, began, ended, _size(train), KEPT, machines)
    except (UserError, KeyError, TypeError, ValueError, AttributeError):
        return  # nothing is kept of this experiment, or not in this form


def _machine(facts: Mapping[str, Any]) -> str:
    return f"{facts['cores']} cores of {facts['processor']}"


def _size(train: Mapping[str, Any] | None) -> float:
    return float(train["steps"] * train["batch_size"]) if train else 0.0


def _work(config: Config, experiment: str, method: str) -> float:
    training = config.training(experiment, method)
    return float(training.steps * training.batch_size) if training else 0.0
