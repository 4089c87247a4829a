"""`make reproduce`: say what will be done, let Snakemake do it, show progress, end with the tables and the report."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from cfm.cli import plan
from cfm.config import Config
from cfm.config.strict import Where, check_name, load_yaml
from cfm.errors import UserError
from cfm.files import locked
from cfm.results import cost
from cfm.results.claims.summary import summary
from cfm.results.figures._failed import only_figures_failed, undrawn_lines
from cfm.workflow import launch, schedulers, slurm
from cfm.workflow.external import forget_failures, require_rules
from cfm.workflow.finished import with_finished
from cfm.workflow.overview import Overview, last_lines
from cfm.workflow.progress import sweep
from cfm.workflow.signals import Terminated, sigterm_interrupts, stop
from cfm.workflow.status import RunState, run_states, skipped_lines

_STOPPED = 130  # by the user


def run(config: Config, experiments: Sequence[str], cores: str, profile: str, dry: bool = False) -> int:
    """Run the budget, or with `dry` say what would run; returns Snakemake's exit code.

    A run that failed is named, and is data (status=failed).
    """
    settings = checked(cores, profile, dry)
    require_rules(config)
    workflow = ["--config", f"budget={config.budget}"]
    workflow += [f"experiments={' '.join(experiments)}"] if experiments else []
    workflow += [f"{key}={text}" for key, text in config.chosen.text.items()]
    if dry:
        return plan.dry_run(config, profile, settings, plan.cores_of(cores), workflow)
    root = config.layout.root
    with _only_one(root / ".lock") as lock:
        left = slurm.cancel_left(root)
        sweep(root / ".progress")
        states = run_states(config)
        plan.announce(config, states)
        if left:
            print(f"ended {left} Slurm jobs that a killed run had left")
        sys.stdout.flush()
        forget_failures(config, plan.tried_again(config, states))
        again = plan.forced(plan.lost(config, states))
        command = launch.command(profile, [*again, *_scheduling(settings, root, cores), *workflow])
        log = root / "logs" / "snakemake.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        local = settings.get("executor", "local") == "local"
        overview = Overview(root / ".progress", "at work" if local else "submitted")
        clock = time.monotonic()  # which nobody sets back while it runs
        code = _watch(command, log, lock.fileno(), overview, lambda: _estimate(config, states, settings, cores))
        took = time.monotonic() - clock
    undrawn = code == 1 and only_figures_failed(config)
    if code != 0 and not undrawn:
        slurm.release_if_over(root)
        print(f"\nnot finished (exit code {code}): the whole log is in {log}; `make reproduce` goes on from here")
        if code != _STOPPED:
            print("".join(f"{line}\n" for line in undrawn_lines(config)), end="")
            _report(config)
        return code
    if undrawn:
        _report(config)
    slurm.release(root)
    if not overview.total:
        print("nothing to do: everything is there and up to date")
    elif local:
        print(cost.report(config, overview.began, took, plan.cores_of(cores)))
    return _conclude(config)


def checked(cores: str, profile: str, dry: bool = False) -> Mapping[str, Any]:
    """The profile's settings, before anything is written; `UserError` if this machine cannot submit its jobs."""
    check_name(profile, [path.name for path in launch.PROFILES.iterdir()], "profile", Where("PROFILE"))
    if not re.fullmatch(r"all|[1-9]\d*", cores):
        raise UserError(f"CORES: a number or 'all' is expected, got '{cores}'")
    settings = load_yaml(launch.PROFILES / profile / "config.yaml")
    if not dry:
        schedulers.require(profile, settings)
        if slurm.used_by(settings):
            slurm.require_answer()
    return settings


def _estimate(config: Config, states: Sequence[RunState], settings: Mapping[str, Any], cores: str) -> None:
    jobs = plan.expected(config, states)
    if jobs:
        print("\n".join(plan.estimated(config, jobs, settings, plan.cores_of(cores))), flush=True)


def _scheduling(settings: Mapping[str, Any], root: Path, cores: str) -> list[str]:
    """What the profile leaves to the moment: the cores, and in Slurm the jobs' name and how to ask for them."""
    executor = settings.get("executor", "local")
    # 'all' is all cores of this machine, and means nothing where jobs run elsewhere: there the profile's `jobs` counts.
    found = ["--cores", cores] if executor == "local" or cores != "all" else []
    if slurm.used_by(settings):
        name = os.environ["CFM_JOBS"] = slurm.name_of(root)  # for the command of cluster-generic
        found += slurm.options(name) if executor == "slurm" else []
        slurm.claim(root)  # once Slurm has answered
    return found


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[IO[str]]:
    """Hold the budget's lock, which Snakemake inherits: a workflow whose parent was killed still keeps others out."""
    _require_own_files([path, *(path.parent / "logs").rglob("*")])
    with locked(path, wait=False) as lock:
        if lock is None:
            raise UserError(f"{path}: another `make reproduce` of this budget is running; wait for it")
        yield lock


def _require_own_files(paths: Iterable[Path]) -> None:
    """What is written in place, and not beside and then renamed, must not be a link to somewhere else."""
    for path in paths:
        if path.is_symlink():
            raise UserError(f"{path}: a symbolic link, which nothing here makes: remove it")


def _watch(command: list[str], log: Path, lock: int, overview: Overview, estimate: Callable[[], None]) -> int:
    """Run Snakemake with its output in `log`; print the estimate, progress now and then, and errors as they come."""
    process, listener = launch.start(command, overview.see, (lock,))
    estimating = threading.Thread(target=estimate, daemon=True)  # while Snakemake reads its rules
    estimating.start()
    threading.Thread(target=overview.repeat, daemon=True).start()
    try:
        assert process.stdout is not None
        with sigterm_interrupts(), open(log, "w", encoding="utf-8") as file:
            for line in process.stdout:  # to the end of the last job, should Snakemake be killed
                file.write(line)
                file.flush()
            code = process.wait()
            listener.join()
            estimating.join()
    except KeyboardInterrupt as reason:
        print("\nstopping: what is half-trained is kept", flush=True)
        if isinstance(reason, Terminated):
            stop(process.pid)
        process.wait()
        return _STOPPED
    finally:
        overview.ended.set()
    if code != 0 and not overview.complained:  # it did not come as far as telling why
        print("\n".join(last_lines(log)), flush=True)
    return code


def _report(config: Config) -> None:
    """The report of what there is, which the workflow writes only when everything is."""
    from cfm.results.report.page import write

    try:
        print(f"report of what there is: {write(with_finished(config))}")
    except OSError as error:  # a full disk, for one, may be why the workflow did not finish
        print(f"report of what there is: not written: {error}")


def _conclude(config: Config) -> int:
    undrawn = undrawn_lines(config)
    for line in [*skipped_lines(config), *undrawn]:
        print(line)
    for state in run_states(config):
        if state.state == "failed":
            print(f"failed: {state.experiment}/{state.run}: {state.reason}")
    print("tables:")
    for experiment, settings in config.experiments.items():
        for name in settings.tables:
            print(f"  {config.layout.table(experiment, name, 'md')}")
    for experiment, settings in config.experiments.items():
        if settings.figures:
            print(f"figures: {config.layout.experiment(experiment) / 'figures'}")
    print("\n".join(summary(config)))
    print(f"report: {config.layout.report}")
    return int(bool(undrawn))
