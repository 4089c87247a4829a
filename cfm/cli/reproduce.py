"""`make reproduce`: say what will be done, let Snakemake do it, show progress, end with the tables and the report."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from cfm.config import Config
from cfm.config.strict import Where, check_name, load_yaml
from cfm.errors import UserError
from cfm.files import locked
from cfm.results import cost
from cfm.results.claims.summary import summary
from cfm.results.figures._failed import only_figures_failed, undrawn_lines
from cfm.workflow import events, slurm
from cfm.workflow.external import forget_failures, require_rules
from cfm.workflow.overview import Overview, last_lines
from cfm.workflow.signals import Terminated, sigterm_interrupts, stop
from cfm.workflow.status import RunState, run_states, skipped_lines

PROFILES = Path("workflow/profiles")
_STOPPED = 130  # by the user


def run(config: Config, experiments: Sequence[str], cores: str, profile: str) -> int:
    """Run the budget; returns Snakemake's exit code. A run that failed is named, and is data (status=failed)."""
    check_name(profile, [path.name for path in PROFILES.iterdir()], "profile", Where("PROFILE"))
    if not re.fullmatch(r"all|[1-9]\d*", cores):
        raise UserError(f"CORES: a number or 'all' is expected, got '{cores}'")
    require_rules(config)
    root = config.layout.root
    settings = load_yaml(PROFILES / profile / "config.yaml")
    with _only_one(root / ".lock") as lock:
        left = slurm.cancel_left(root)
        states = run_states(config)
        _announce(config, states)
        if left:
            print(f"ended {left} Slurm jobs that a killed run had left", flush=True)
        failed = [s for s in states if s.state == "failed" and config.methods[s.method].external]
        forget_failures(config, [(s.experiment, s.dataset, s.method, s.seed) for s in failed])
        command = [sys.executable, "-m", "cfm.workflow.snakemake_cli", "--workflow-profile", str(PROFILES / profile)]
        command += _scheduling(settings, root, cores)
        command += ["--nolock", "--config", f"budget={config.budget}"]
        if experiments:
            command.append(f"experiments={' '.join(experiments)}")
        log = root / "logs" / "snakemake.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        began, overview = time.time(), Overview(root / ".progress")
        code = _watch(command, log, lock.fileno(), overview)
        ended = time.time()
    undrawn = code == 1 and only_figures_failed(config)
    if code != 0 and not undrawn:
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
    elif settings.get("executor", "local") == "local":
        print(cost.report(config, began, ended, int(cores) if cores != "all" else os.cpu_count() or 1))
    return _conclude(config)


def _scheduling(settings: Mapping[str, Any], root: Path, cores: str) -> list[str]:
    """What the profile leaves to the moment: the cores, and in Slurm the jobs' name and how to ask for them."""
    executor = settings.get("executor", "local")
    # 'all' is all cores of this machine, and means nothing where jobs run elsewhere: there the profile's `jobs` counts.
    found = ["--cores", cores] if executor == "local" or cores != "all" else []
    if not slurm.used_by(settings):
        return found
    os.environ["CFM_JOBS"] = slurm.claim(root)  # for the command of cluster-generic
    return found + (slurm.options(os.environ["CFM_JOBS"]) if executor == "slurm" else [])


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


def _announce(config: Config, states: Sequence[RunState]) -> None:
    print(f"budget '{config.budget}', results in {config.layout.root}")
    counts = Counter((state.experiment, state.state) for state in states)
    for name, settings in config.experiments.items():
        total = sum(count for (experiment, _), count in counts.items() if experiment == name)
        seeds = f"seeds {settings.seeds[0]}..{settings.seeds[-1]}, " if settings.seeds else ""
        runs = f"{total} runs ({counts[name, 'done']} done), " if total else ""
        if total or settings.tables:
            print(f"  {name}: {settings.title}: {seeds}{runs}{len(settings.tables)} tables")
    for line in skipped_lines(config):
        print(f"  {line}")
    sys.stdout.flush()


def _watch(command: list[str], log: Path, lock: int, overview: Overview) -> int:
    """Run Snakemake with its output in `log`; print progress now and then, and errors as they come."""
    listen, tell = os.pipe()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", events.PIPE: str(tell)}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, pass_fds=(tell, lock)
    )
    os.close(tell)
    listener = threading.Thread(target=overview.listen, args=(listen,), daemon=True)
    listener.start()
    threading.Thread(target=overview.repeat, daemon=True).start()
    try:
        assert process.stdout is not None
        with sigterm_interrupts(), open(log, "w", encoding="utf-8") as file:
            for line in process.stdout:  # to the end of the last job, should Snakemake be killed
                file.write(line)
                file.flush()
            code = process.wait()
            listener.join()
    except KeyboardInterrupt as reason:
        print("\nstopping: what is half-trained is kept", flush=True)
        if isinstance(reason, Terminated):
            stop(process.pid)
        process.wait()
        return _STOPPED
    if code != 0 and not overview.complained:  # it did not come as far as telling why
        print("\n".join(last_lines(log)), flush=True)
    return code


def _report(config: Config) -> None:
    """The report of what there is, which the workflow writes only when everything is."""
    from cfm.results.report.page import write

    try:
        print(f"report of what there is: {write(config)}")
    except OSError as error:  # a full disk, for one, may be why the workflow did not finish
        print(f"report of what there is: not written: {error}")


def _conclude(config: Config) -> int:
    failed = [state for state in run_states(config) if state.state == "failed"]
    undrawn = undrawn_lines(config)
    print("".join(f"{line}\n" for line in undrawn), end="")
    for state in failed:
        print(f"failed: {state.experiment}/{state.run}: {state.reason}")
    print("tables:")
    for experiment, settings in config.experiments.items():
        for name in settings.tables:
            print(f"  {config.layout.table(experiment, name, 'md')}")
    for experiment, settings in config.experiments.items():
        if settings.figures:
            print(f"figures: {config.layout.experiment(experiment) / 'figures'}")
    for line in skipped_lines(config):
        print(line)
    print("\n".join(summary(config)))
    print(f"report: {config.layout.report}")
    return int(bool(undrawn))
