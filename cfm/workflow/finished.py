"""Runs that were finished before and are still valid: they stay in tables, figures and claims, whatever is selected.

A run is valid if its entries and experiment are configured, and its settings and its code are today's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cfm.artifacts.layout import METRICS, PROVENANCE, SPEC, Run
from cfm.artifacts.provenance import read_provenance
from cfm.config import Config
from cfm.errors import UserError
from cfm.files import read_json
from cfm.fingerprint import file_digest
from cfm.stages import OF_RUNS
from cfm.workflow.stage_code import run_code


@dataclass(frozen=True)
class Finished:
    """The finished runs of an experiment beyond those that are asked for: those that are valid, and how many are not,
    by reason."""

    runs: tuple[Run, ...] = ()
    unused: Mapping[str, int] = field(default_factory=dict)

    def line(self, experiment: str) -> str | None:
        """What is said about those that are not used; None if there are none."""
        count = sum(self.unused.values())
        if not count:
            return None
        reasons = ", ".join(f"{reason} ({n})" if len(self.unused) > 1 else reason for reason, n in self.unused.items())
        return f"{experiment}: {count} finished run{'s' * (count > 1)} on disk not used: {reasons}"


def finished(config: Config, experiment: str) -> Finished:
    """The finished runs of an experiment on disk that are not asked for."""
    asked = {*config.runs(experiment)}
    found: list[Run] = []
    unused: dict[str, int] = {}
    known = config.rosters[experiment]
    for run, folder in _on_disk(config, experiment):
        if run in asked or run.dataset not in known.datasets or run.method not in known.methods:
            continue
        if config.skip_reason(run.dataset, run.method) is not None:
            continue
        reason = _problem(config, experiment, run, folder)
        if reason is None:
            found.append(run)
        else:
            unused[reason] = unused.get(reason, 0) + 1
    return Finished(tuple(found), unused)


def with_finished(config: Config) -> Config:
    """The configuration with these runs, and with the data sets, methods and seeds that they are of."""
    return joined(config, {name: finished(config, name) for name in _run(config)})


def joined(config: Config, found: Mapping[str, Finished]) -> Config:
    """`with_finished`, where it is known what that is, by experiment."""
    parts = _run(config)
    beyond = {name: frozenset(one.runs) for name, one in found.items() if one.runs and name in parts}
    experiments = {name: replace(e, methods=tuple(config.methods_of(name))) for name, e in config.experiments.items()}
    for name, runs in beyond.items():
        known, now = config.rosters[name], config.experiments[name]
        present = config.methods_of(name)
        every = dict.fromkeys((*known.settings.datasets, *known.datasets))  # in the order of a run of all
        seeds = sorted({run.seed for run in runs} - {*now.seeds})
        shown: dict[str, Any] = (
            {} if now.datasets else {"tables": known.settings.tables, "figures": known.settings.figures}
        )
        experiments[name] = replace(
            now,
            datasets=tuple(d for d in every if d in now.datasets or _has(runs, 0, d)),
            methods=tuple(m for m in known.methods if m in present or _has(runs, 1, m)),
            seeds=(*now.seeds, *seeds),
            **shown,
        )
    return replace(config, experiments=experiments, beyond=beyond)


def _run(config: Config) -> list[str]:
    """The experiments that are run, which have data sets."""
    return [name for name, settings in config.asked.items() if settings.datasets and name not in config.left_out]


def _has(runs: frozenset[Run], part: int, name: str) -> bool:
    return any(run[part] == name for run in runs)


def _on_disk(config: Config, experiment: str) -> Iterator[tuple[Run, Path]]:
    """Every measured run below the folder of an experiment, in the order of their names."""
    folder = config.layout.experiment(experiment)
    found = []
    for path in folder.glob(f"*/*/seed=*/{METRICS}"):
        dataset, method, seed = path.parent.relative_to(folder).parts
        number = seed.removeprefix("seed=")
        if number.isascii() and number.isdigit() and str(int(number[:20])) == number:
            found.append((Run(dataset, method, int(number)), path.parent))
    return iter(sorted(found))


def _problem(config: Config, experiment: str, run: Run, folder: Path) -> str | None:
    """Why a run does not count; None if it does."""
    try:
        if read_json(folder / SPEC) != json.loads(config.spec("evaluate", experiment, run.dataset, run.method)):
            return "made with other settings"
        records = read_provenance(folder)
        code = records.get("evaluate", {}).get("code_digest")
        stages = ["objective"] if config.experiments[experiment].objective else [s for s in OF_RUNS if s != "objective"]
        if code != {stage: run_code(config, stage, run.dataset, run.method) for stage in stages}:
            return "made with other code"
        files = records.get("sample", {}).get("files", {})  # of a program outside this package
        if any(not Path(name).is_file() or file_digest(Path(name)) != sha256 for name, sha256 in files.items()):
            return "made with another program"
    except UserError:
        return f"{SPEC} or {PROVENANCE} missing or damaged"
    return None
