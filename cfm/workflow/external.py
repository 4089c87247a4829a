"""Methods outside this package: their programs are handed a job, and what they write is checked before it counts.

The job is a JSON file, the last argument of the command: `data` (the prepared data set), `dim`, `parameters`, `train`
and `solvers` as config/ has them, each solver with the number of `points` to be carried, and for every seed of `runs`
the points to `start` from (array `x0` of an npz) and where the `samples` of each solver go.

A program that fails, writes nothing or something that cannot be measured makes failed runs, each with one line that
says why: never a number.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cfm.artifacts.data import load
from cfm.artifacts.layout import METHOD_RULES, samples_path
from cfm.artifacts.provenance import Stopwatch
from cfm.artifacts.samples import Arrays, read, write_samples
from cfm.config import Config
from cfm.datasets.base import Prepared
from cfm.errors import RunFailed, UserError
from cfm.files import write_arrays, write_json
from cfm.fingerprint import as_json, file_digest
from cfm.settings import widest
from cfm.workflow.external_packages import install

_LONGEST = 200  # characters of a reason
_STOPPED = (-signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM)  # by the user, not by itself


def run(
    config: Config,
    where: tuple[str, str, str],
    runs: Mapping[int, Path],
    command: Sequence[str],
    requirements: Path | None,
) -> dict[int, str]:
    """Write the samples of the seeds of `runs` (seed -> folder); returns the failed seeds with their reasons.

    `where`: experiment, data set, method. `requirements`: packages that are installed for the program alone. It writes
    to a folder that is this call's own: a program that outlives its killed caller cannot touch what is measured.
    """
    experiment, dataset, method = where
    watch, data = Stopwatch(), load(config.layout.data(experiment, dataset))
    solvers, failure = config.solvers(experiment, method), data.failure
    found: dict[int, dict[str, tuple[Arrays, str | None]]]
    with tempfile.TemporaryDirectory(prefix="cfm-") as name:
        places = {seed: {s: Path(name) / f"seed={seed}/{s}.npz" for s in solvers} for seed in runs}
        if failure is None:
            try:
                job = _job(config, where, data, places, Path(name))
                _execute([*command, str(job)], None if requirements is None else install(requirements))
            except RunFailed as error:
                failure = str(error)
        found = {
            seed: {solver: ({}, failure) if failure else read(path, data) for solver, path in paths.items()}
            for seed, paths in places.items()
        }
    files = {word: file_digest(Path(word)) for word in command if Path(word).is_file()}
    record = watch.record(len(runs), device="unknown", command=[*command], files=files, work_seconds={})
    reasons = {}
    for seed, samples in found.items():
        for solver, (arrays, reason) in samples.items():
            wanted = {"failure": np.array(reason)} if reason else arrays
            write_samples(samples_path(runs[seed], solver), wanted, {"sample": record})
            if "failure" in wanted:
                reasons[seed] = str(wanted["failure"])
    return reasons


def require_rules(config: Config) -> None:
    """`UserError` if an enabled experiment has an external method without its rule."""
    for method in dict.fromkeys(name for experiment in config.experiments for name in config.methods_of(experiment)):
        rule = METHOD_RULES / f"{method}.smk"
        if config.methods[method].external and not rule.is_file():
            raise UserError(f"{config.methods[method].where}: family 'external' needs a rule, and {rule} is not there")


def settle(config: Config, where: tuple[str, str, str], runs: Mapping[int, Path]) -> None:
    """Before evaluation: samples of an external method that cannot be measured give way to the reason.

    What was written is kept beside it, as `{solver}.npz.refused`.
    """
    experiment, dataset, method = where
    if not config.methods[method].external:
        return
    data = load(config.layout.data(experiment, dataset))
    if data.failure is not None:
        return
    for folder in runs.values():
        for solver in config.solvers(experiment, method):
            path = samples_path(folder, solver)
            if not path.is_file():
                raise UserError(f"{path}: missing; `make reproduce` has it written by {METHOD_RULES / method}.smk")
            _, reason = read(path, data)
            if reason is not None:
                shutil.copyfile(path, f"{path}.refused")  # not moved: a figure may be reading it
                write_arrays(path, {"failure": np.array(reason)})


def samples_of(config: Config, runs: Iterable[tuple[str, str, str, int]]) -> list[Path]:
    """The samples of some runs (experiment, data set, method, seed), there or not."""
    return [
        samples_path(config.layout.run(experiment, dataset, method, seed), solver)
        for experiment, dataset, method, seed in runs
        for solver in config.experiments[experiment].solvers
    ]


def forget_failures(config: Config, failed: Iterable[tuple[str, str, str, int]]) -> None:
    """Remove the samples of failed runs: whatever failed may be mended by now."""
    for path in samples_of(config, failed):
        path.unlink(missing_ok=True)


def _job(
    config: Config,
    where: tuple[str, str, str],
    data: Prepared,
    places: Mapping[int, Mapping[str, Path]],
    folder: Path,
) -> Path:
    """The job's file, and the points that its seeds start from."""
    experiment, dataset, method = where
    solvers, entry = config.solvers(experiment, method), as_json(config.methods[method].method)
    runs = []
    for seed, paths in places.items():
        start = folder / f"seed={seed}/start.npz"
        write_arrays(start, {"x0": data.evaluation_source(seed, widest(solvers.values()))})
        runs.append({"seed": seed, "start": str(start), "samples": {name: str(path) for name, path in paths.items()}})
    counts = {points: len(data.evaluation_source(0, points)) for points in ("test", "all")}
    job: dict[str, Any] = {
        "experiment": experiment,
        "dataset": dataset,
        "method": method,
        "data": str(config.layout.data(experiment, dataset).absolute()),
        "dim": data.dim,
        "parameters": entry["parameters"],
        "train": as_json(config.training(experiment, method)),
        "solvers": {name: {**as_json(s), "points": counts[s.points]} for name, s in solvers.items()},
        "runs": runs,
    }
    write_json(folder / "job.json", job)
    return folder / "job.json"


def _execute(command: Sequence[str], packages: Path | None) -> None:
    """Run a program without a shell, its output passed on; `RunFailed` with its last line if it fails."""
    environment = dict(os.environ)
    if packages is not None:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(packages), environment.get("PYTHONPATH")]))
    last = ""
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=environment
        )
    except (OSError, ValueError) as error:
        raise RunFailed(f"{command[0]}: cannot be run ({getattr(error, 'strerror', None) or error})") from None
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line.strip() or last
    code = process.wait()
    if code in _STOPPED:
        raise UserError(f"{command[0]}: stopped (signal {abs(code) % 128})")
    if code != 0:
        said = "".join(character for character in last if character.isprintable())[:_LONGEST]
        raise RunFailed(f"{Path(command[-2]).name} ended with exit code {code}" + (f": {said}" if said else ""))
