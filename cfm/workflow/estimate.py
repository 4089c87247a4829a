"""How long jobs will take on so many cores: an estimate that says what it rests on, and what it does not know."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cfm.config import Config
from cfm.workflow.jobs import Job
from cfm.workflow.kept_times import HERE, KEPT, Found, KeptTimes, Timed

# CPU seconds of the jobs of which no times are kept, measured in November 2026 on a core of an Intel Xeon; those that
# import torch have the start-up on top.
_PLAIN = {"collect": 1.0, "table": 1.0, "figure": 5.0, "claims": 2.0, "report": 4.0}
_ON_TOP = {"data": 0.0, "source-target": 2.0}
_PLANNING, _PER_JOB = 5.0, 0.05  # of Snakemake itself
_SHOWN = 4  # names of jobs that nothing is known of


_Cell = tuple[str, str, str, tuple[int, ...]]  # experiment, data set, method, seeds


@dataclass(frozen=True)
class Estimate:
    """Seconds on the cores, seconds of all jobs together, and what is behind them.

    `start_up`: seconds until a job begins its work. `found`: of the jobs with kept times. `unknown`: those without, of
    which only the start-up is counted.
    """

    seconds: float
    work: float
    start_up: float
    found: tuple[Found, ...]
    unknown: tuple[Job, ...]


def start_up() -> float:
    """CPU seconds that a job needs before it begins, measured: Python with what a training imports."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import cfm.__main__, cfm.stages.train"], stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def estimate(
    config: Config, jobs: Iterable[Job], times: KeptTimes, cores: int, starting: float, gpus: int | None = None
) -> Estimate:
    """Of the jobs, on so many cores that do nothing else; `starting` as `start_up` measures it.

    `gpus`: that trainings and samplings share, one for each at a time; None if they need none.
    """
    spent: list[tuple[Job, float]] = []
    found, unknown = [], []
    for job in jobs:
        if job.verb in _PLAIN:
            spent.append((job, _PLAIN[job.verb]))
        elif job.verb in _ON_TOP:
            spent.append((job, starting + _ON_TOP[job.verb]))
        elif kept := times.find(job):
            found.append(kept)
            spent.append((job, starting + kept.seconds))
        else:
            unknown.append(job)
            spent.append((job, starting))
    work = sum(seconds * min(job.threads, cores) for job, seconds in spent)
    on_gpus = sum(seconds for job, seconds in spent if job.verb in ("train", "sample")) if gpus else 0.0
    bounds = (work / cores, on_gpus / (gpus or 1), _longest_chain(config, spent))
    seconds = max(bounds) + _PLANNING + _PER_JOB * len(spent) if spent else 0.0
    return Estimate(seconds, work, starting, tuple(found), tuple(unknown))


def _longest_chain(config: Config, spent: Iterable[tuple[Job, float]]) -> float:
    """Seconds of the jobs that wait for each other: no number of cores makes it faster."""
    chains: defaultdict[_Cell, float] = defaultdict(float)
    training: defaultdict[_Cell, float] = defaultdict(float)
    data: defaultdict[tuple[str, str], float] = defaultdict(float)
    ends: defaultdict[str, float] = defaultdict(float)
    for job, seconds in spent:
        cell = (job.experiment, job.dataset, job.method, job.seeds)
        if job.method:
            chains[cell] += seconds
            training[cell] += seconds if job.verb == "train" else 0
        elif job.verb in ("data", "source-target"):
            data[job.experiment, job.dataset] += seconds
        else:
            ends[job.verb] = max(ends[job.verb], seconds)

    def begun(cell: _Cell) -> float:
        experiment, dataset, method, seeds = cell
        named = config.methods.get(method)
        teacher = named.method.teacher if named else None
        if teacher is None:
            return data[experiment, dataset]
        before = (experiment, dataset, teacher, seeds)
        return training[before] + begun(before)

    return max((seconds + begun(cell) for cell, seconds in chains.items()), default=0.0) + sum(ends.values())


def lines(made: Estimate, cores: int | None) -> list[str]:
    """The estimate in words; of the cores' time together where jobs run elsewhere (`cores` is None)."""
    least = "at least" if made.unknown else "about"
    if cores is None:
        told = [f"estimate: {least} {made.work / 3600:.1f} core-hours, however many run at once"]
    else:
        told = [f"estimate: {least} {_minutes(made.seconds)} on {cores} cores that do nothing else"]
    told += [f"  from {source}" for source in _sources(made.found)]
    told.append(f"  and {made.start_up:.1f} s of start-up for each job, measured here")
    if made.unknown:
        names = [str(job) for job in sorted(made.unknown, key=lambda job: job.verb != "train")]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        told.append(f"  no kept timing, so only their start-up is counted: {', '.join(names[:_SHOWN])}{more}")
    return told


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.{0 if seconds >= 600 else 1}f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def _sources(found: Sequence[Found]) -> list[str]:
    """Where the times come from, a line for each kind of place."""
    told = []
    for where, words in ((HERE, "runs in this folder"), (KEPT, "runs kept in results/reference")):
        mine = [one for one in found if one.timed[0].where == where]
        if mine:
            timed = [record for one in mine for record in one.timed]
            told.append(f"{len(mine)} job{'s' * (len(mine) > 1)} like {words} ({_when(timed)}){_scaled(mine)}")
    return told


def _when(timed: Sequence[Timed]) -> str:
    days = sorted({record.day for record in timed})
    machines = " or ".join(dict.fromkeys(machine for record in timed for machine in record.machines))
    return f"{days[0]}{f' to {days[-1]}' if len(days) > 1 else ''}, {machines}"


def _scaled(found: Sequence[Found]) -> str:
    counts = Counter(one.alike for one in found)
    words = {"dataset": "the same method on another data set", "method": "other methods of the experiment"}
    return "".join(f"; {counts[alike]} of them from {text}" for alike, text in words.items() if counts[alike])
