"""What a run will do, said before it does it: runs, jobs, what is skipped and why, and an estimate of the time."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cfm.artifacts.layout import METRICS
from cfm.cli.reference import FOLDER as REFERENCE
from cfm.config import Config
from cfm.config.config import has_gpu
from cfm.config.seeds import spans
from cfm.files import locked
from cfm.results.figures.base import figures_due
from cfm.stages import STAGES
from cfm.workflow import estimate, launch, schedulers
from cfm.workflow.external import samples_of
from cfm.workflow.jobs import Job, of_event
from cfm.workflow.kept_times import KeptTimes
from cfm.workflow.left_out import more_lines
from cfm.workflow.status import RunState, run_states, skipped_lines


def announce(config: Config, states: Sequence[RunState]) -> None:
    """Print what each experiment has and what is done of it, and what is skipped."""
    print(f"budget '{config.budget}', results in {config.layout.root}")
    counts = Counter((state.experiment, state.state) for state in states)
    for name, settings in config.experiments.items():
        total = sum(count for (experiment, _), count in counts.items() if experiment == name)
        seeds = f"seeds {spans(settings.seeds)}, " if settings.seeds else ""
        runs = f"{total} runs ({counts[name, 'done']} done), " if total else ""
        if total or settings.tables:
            print(f"  {name}: {settings.title}: {seeds}{runs}{len(settings.tables)} tables")
    for line in [*skipped_lines(config), *more_lines(config)]:
        print(f"  {line}")


def dry_run(config: Config, profile: str, settings: Mapping[str, Any], cores: int, workflow: Sequence[str]) -> int:
    """Print the plan, with the jobs as Snakemake itself plans them, and change nothing; Snakemake's exit code.

    `workflow`: the arguments that name the workflow's configuration, the same as of a real run.
    """
    root, states = config.layout.root, run_states(config)
    announce(config, states)
    for line in _pairs_left_out(config):
        print(f"  {line}")
    if config.unavailable:
        print("  what is not there and has an address is downloaded first, which adds to the jobs below")
    if (root / ".lock").exists():
        with locked(root / ".lock", wait=False) as lock:
            if lock is None:
                print("another `make reproduce` of this budget is running: these are the jobs that it has left")
    lacking = schedulers.lacking(settings)
    if lacking:
        print(f"PROFILE={profile} cannot run here: {lacking}")
    arguments = [
        "--dry-run",
        *forced([*samples_of(config, tried_again(config, states)), *lost(config, states)]),
        *workflow,
    ]
    told: list[dict[str, Any]] = []
    code, output = launch.finish(launch.command("local" if lacking else profile, arguments), told.append)
    if code != 0 or not any("phase" in event for event in told):  # no event at all is no plan
        print("\n".join([event["error"].strip() for event in told if "error" in event] or output[-15:]))
        return code or 1
    events = [event["job"] for event in told if "begun" in event]
    jobs = [job for job in (of_event(event, root) for event in events) if job is not None]
    print("\n".join(_counted(config, jobs, len(events))))
    if jobs:
        print("\n".join(estimated(config, jobs, settings, cores)))
    print("nothing was started or written: without DRY (--dry-run) it runs")
    return 0


def estimated(config: Config, jobs: Iterable[Job], settings: Mapping[str, Any], cores: int) -> list[str]:
    """The lines of an estimate for the jobs; it measures how long a job takes to start."""
    gpus = re.search(r"gpu=(\d+)", " ".join(settings.get("resources", []))) if has_gpu(config.main) else None
    taken = int(gpus[1]) if gpus else None
    made = estimate.estimate(config, jobs, KeptTimes(config, REFERENCE), cores, estimate.start_up(), taken)
    return estimate.lines(made, cores if settings.get("executor", "local") == "local" else None)


def expected(config: Config, states: Sequence[RunState]) -> list[Job]:
    """The jobs that the runs lack, told at once from the files that are there.

    What only Snakemake knows is not in it: which jobs run again since code or settings have changed.
    """
    failed = set(tried_again(config, states))
    passed: dict[tuple[str, str, str, tuple[str, ...], Path], list[tuple[int, int]]] = defaultdict(list)
    for s in states:
        again = s.stages.index("sample") if (s.experiment, *s.run) in failed else s.passed
        passed[s.experiment, s.dataset, s.method, s.stages, s.log].append((s.seed, again))
    jobs: list[Job] = []
    for (experiment, dataset, method, stages, _), runs in passed.items():
        seeds = tuple(seed for seed, _ in runs)
        first = min(behind for _, behind in runs)
        jobs += [Job(stage, experiment, dataset, method, seeds) for stage in stages[first:]]
    for experiment in dict.fromkeys(job.experiment for job in jobs):
        jobs += _around(config, experiment)
    return [*jobs, Job("claims"), Job("report")] if jobs else []


def _around(config: Config, experiment: str) -> Iterator[Job]:
    """What an experiment needs besides its runs: data, distances, tables and figures."""
    settings = config.experiments[experiment]
    for dataset in settings.datasets:
        if not config.layout.data(experiment, dataset).exists():
            yield Job("data", experiment, dataset)
        for seeds in config.chunks(experiment, dataset) if config.needs_distances(experiment) else ():
            if not all(config.layout.source_target(experiment, dataset, seed).exists() for seed in seeds):
                yield Job("source-target", experiment, dataset, seeds=seeds)
    yield Job("collect", experiment)
    yield from (Job("table", experiment, name=name) for name in settings.tables)
    yield from (
        Job("figure", experiment, dataset or "", name=name) for name, dataset in figures_due(config, experiment)
    )


def tried_again(config: Config, states: Sequence[RunState]) -> list[tuple[str, str, str, int]]:
    """The failed runs (experiment, data set, method, seed) of programs outside this package."""
    failed = [state for state in states if state.state == "failed" and config.methods[state.method].external]
    return [(state.experiment, *state.run) for state in failed]


def lost(config: Config, states: Sequence[RunState]) -> list[Path]:
    """What is to be measured again: where somebody has deleted it Snakemake asks for it only if no table is there."""
    return [
        config.layout.run(state.experiment, *state.run) / METRICS
        for state in states
        if state.state == "missing" and config.layout.runs(state.experiment).exists()
    ]


def forced(paths: Iterable[Path]) -> list[str]:
    """The arguments that have Snakemake make some files again."""
    names = [str(path) for path in paths]
    return ["--forcerun", *names] if names else []


def _pairs_left_out(config: Config) -> Iterator[str]:
    """A line for each method and reason why it is not run on some data sets."""
    for experiment, settings in config.experiments.items():
        reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
        for dataset in settings.datasets:
            for method in config.methods_of(experiment):
                if reason := config.skip_reason(dataset, method):
                    reasons[method, reason].append(dataset)
        for (method, reason), datasets in reasons.items():
            yield f"skipped: {experiment}/{method} on {', '.join(datasets)}: {reason}"


def _counted(config: Config, jobs: Sequence[Job], total: int) -> Iterator[str]:
    """How many jobs there are, by experiment and verb."""
    if not total:
        yield "jobs: none, everything is there and up to date"
        return
    yield f"jobs: {total}"
    for experiment in config.experiments:
        counts = Counter(job.verb for job in jobs if job.experiment == experiment)
        if counts:
            yield f"  {experiment}: " + ", ".join(f"{counts[verb]} {verb}" for verb in STAGES if counts[verb])
    of_all = Counter(job.verb for job in jobs if job.experiment not in config.experiments)
    rest = [f"{count} {verb}" for verb, count in of_all.items()]
    gathering = total - len(jobs)  # `all`, which writes nothing
    yield "  " + ", ".join(rest + [f"{gathering} that only waits for the others"] * bool(gathering))


def cores_of(cores: str) -> int:
    """CORES as a number: all that this process may use (as Snakemake counts them), unless it is one."""
    if cores != "all":
        return int(cores)
    allowed = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(allowed(0)) if allowed else os.cpu_count() or 1
