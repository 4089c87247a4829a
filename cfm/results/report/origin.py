"""Where the numbers of an experiment come from: commits, dates, devices, machines and packages of its runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cfm.artifacts.provenance import read_provenance
from cfm.config import Config
from cfm.files import read_json


@dataclass(frozen=True)
class Origin:
    """What all runs of an experiment were made with; several values where runs differ."""

    runs: int
    seeds: list[int]
    commits: list[str]
    dirty: bool
    first: str
    last: str
    devices: list[str]
    machines: list[str]
    python: list[str]
    packages: list[str]
    memory_mb: int | None


def origin(config: Config, experiment: str) -> Origin | None:
    """Of the runs that are done, from their provenance; None without any."""
    found = {run: read_provenance(folder) for run, folder in config.runs(experiment).items()}
    done = {run: records for run, records in found.items() if records}
    if done:
        every = [record for records in done.values() for record in records.values()]
        return _of_stages(len(done), sorted({run.seed for run in done}), every)
    kept = config.layout.kept_provenance(experiment)
    return _of_kept(read_json(kept)) if kept.exists() else None


def _of_stages(runs: int, seeds: list[int], records: list[dict[str, Any]]) -> Origin:
    return Origin(
        runs,
        seeds,
        _distinct(record["git"]["commit"] or "no commit" for record in records),
        any(record["git"]["dirty"] for record in records),
        min(record["started"] for record in records),
        max(record["finished"] for record in records),
        _distinct(record["device"] for record in records if "device" in record),
        _distinct(_machine(record["machine"]) for record in records),
        _distinct(record["python"] for record in records),
        _distinct(_packages(record["packages"]) for record in records),
        max(record["peak_memory_mb"] for record in records),
    )


def _of_kept(stored: dict[str, Any]) -> Origin | None:
    """Of runs in results/reference, whose facts lie in one file; those of other times may lack some."""
    runs = stored.get("runs", {}).values()
    if not runs:  # of an experiment that only has tables
        return None
    facts = stored.get("facts", {})
    times = [time for run in runs for span in run.get("time", {}).values() for time in span] or ["unknown"]
    return Origin(
        len(runs),
        sorted({int(name.rsplit("=", 1)[1]) for name in stored["runs"]}),
        _distinct(commit or "no commit" for run in runs for commit in run.get("commit", {}).values()),
        False,
        min(times),
        max(times),
        _distinct(facts.get("device", [])),
        _distinct(_machine(machine) for machine in facts.get("machine", [])),
        _distinct(facts.get("python", [])),
        _distinct(_packages(packages) for packages in facts.get("packages", [])),
        None,
    )


def _distinct(values: Iterable[str]) -> list[str]:
    return sorted(set(values))


def _machine(machine: dict[str, Any]) -> str:
    known = [
        machine.get("processor"),
        f"{machine['cores']} cores" if "cores" in machine else None,
        machine.get("system"),
    ]
    return ", ".join(filter(None, known)) or "unknown"


def _packages(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
