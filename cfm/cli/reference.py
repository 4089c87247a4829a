"""Keeping runs: the numbers and tables of real runs, with their provenance and few pictures, for the repository.

What is kept grows: runs that are not part of this run stay where they are, if they were trained with the settings that
config/ has today. So a budget may be run over days and on several machines; `provenance.json` says of every run which.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfm.artifacts.layout import PROVENANCE, Run
from cfm.artifacts.metrics import is_measured
from cfm.artifacts.provenance import read_provenance
from cfm.artifacts.runs import COLUMNS, read_runs, rows_of, widened
from cfm.cli.pictures import figures_of_runs, keep_pictures
from cfm.config import Config, load
from cfm.config.loader import ALL
from cfm.errors import UserError
from cfm.files import read_json, write_json, write_text
from cfm.fingerprint import canonical, digest
from cfm.results.claims.report import write_claims
from cfm.results.figures._failed import draw_or_note
from cfm.results.tables.base import make
from cfm.settings import Experiment

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path("results/reference")
_COPY = "results/kept"  # which git ignores
_FACTS = ("packages", "python", "machine", "device")


def keep(config: Config) -> Path:
    """Add the finished runs of all experiments of `config` to results/reference/{budget}; returns that folder.

    Tables, claims and the figures of `runs.csv` are made anew of all that is kept, as the code makes them today. Of
    the figures those stay that README.md or the manual shows, made small. Of a selection that is kept which the budget
    has without one.
    """
    chosen = {name: _finished(config.whole(), name) for name in config.asked}
    if config.chosen != ALL:
        config = load(config.budget, tuple(config.asked))
    whole = config.whole()  # runs that are kept stay, whether their data are on this machine or not
    there = _on_the_shelf(whole)
    parts = {name: {*whole.runs(name)} for name in chosen}
    done = {name: {run: f for run, f in runs.items() if run in parts[name]} for name, runs in chosen.items()}
    others = sum(map(len, chosen.values())) - sum(map(len, done.values()))
    if others:
        print(
            f"not kept: {others} finished runs of seeds, methods or data sets that budget '{config.budget}' leaves out"
        )
    if not any(done.values()) and not there.layout.root.exists():
        raise UserError(f"{config.layout.root}: no finished run; run `make reproduce BUDGET={config.budget}` first")
    for name, runs in done.items():
        if runs:
            _merge(there, name, runs)
    there = kept(config)
    for name in done:
        if there.layout.runs(name).exists() or not there.asked[name].datasets:
            for table in there.experiments[name].tables:
                make(there, name, table)
    keep_pictures(config, there)
    every = kept(load(config.budget))  # a claim of an experiment that was not asked for keeps its verdict
    present = {n: e for n, e in every.experiments.items() if every.layout.runs(n).exists()}
    write_claims(replace(every, experiments=present))
    return there.layout.root


def kept(config: Config) -> Config:
    """The configuration over what is kept: its results are results/reference, its data sets those with a kept run
    or on this machine."""
    there = _on_the_shelf(config.whole())
    return replace(there, experiments={name: _known(config, there, name) for name in config.asked})


def copied(config: Config) -> Config:
    """`kept` over a copy, for the report: in it the figures of `runs.csv` are drawn; `UserError` if nothing is kept."""
    there = kept(config)
    if not there.layout.root.exists():
        raise UserError(f"{there.layout.root}: missing; no runs of this budget are kept")
    copy = replace(there, main=replace(there.main, results=_COPY))
    shutil.rmtree(copy.layout.root, ignore_errors=True)
    shutil.copytree(there.layout.root, copy.layout.root)
    for experiment in (name for name in copy.experiments if copy.layout.runs(name).exists()):
        for name in figures_of_runs(copy, experiment):
            draw_or_note(copy, experiment, name, None)
    return copy


def _on_the_shelf(whole: Config) -> Config:
    return replace(whole, main=replace(whole.main, results=str(FOLDER)))


def _known(config: Config, there: Config, experiment: str) -> Experiment:
    """The experiment with the data sets that are on this machine or have kept runs."""
    settings, path = there.experiments[experiment], there.layout.runs(experiment)
    kept = {*read_runs(path).dataset} if path.exists() else set()
    unavailable = config.unavailable_reasons(experiment)
    names = (name for name in settings.datasets if name not in unavailable or name in kept)
    return replace(settings, datasets=tuple(names))


def _finished(config: Config, experiment: str) -> dict[Run, Path]:
    return {run: folder for run, folder in config.runs(experiment).items() if is_measured(folder)}


def _merge(there: Config, experiment: str, done: dict[Run, Path]) -> None:
    facts = _merge_facts(_stored(there.layout.kept_provenance(experiment)), done, there, experiment)
    write_text(there.layout.runs(experiment), _merge_rows(there, experiment, done, facts["runs"]))
    write_json(there.layout.kept_provenance(experiment), facts)


def _stored(path: Path) -> dict[str, Any]:
    """What is kept of an experiment; files of other times may lack a part of it."""
    empty: dict[str, Any] = {"runs": {}, "facts": {}}
    return empty | read_json(path) if path.exists() else empty


def settings_digest(config: Config, experiment: str, dataset: str, method: str) -> str:
    """Of what a run is trained with; settings that are not given do not count, so new ones leave kept runs valid."""
    return digest(canonical(_given(json.loads(config.spec("train", experiment, dataset, method)))))


def _given(value: Any) -> Any:
    return {k: _given(v) for k, v in value.items() if v is not None} if isinstance(value, dict) else value


def _merge_facts(stored: dict[str, Any], done: dict[Run, Path], config: Config, experiment: str) -> dict[str, Any]:
    """Of every run: when its stages ran, on which commit, with what code and settings; what all runs share, once."""
    specs = {run: settings_digest(config, experiment, *run[:2]) for run in config.runs(experiment)}
    runs = {str(r): stored["runs"][str(r)] for r in specs if stored["runs"].get(str(r), {}).get("spec") == specs[r]}
    facts: dict[str, list[Any]] = stored["facts"]
    for run, folder in done.items():
        stages = read_provenance(folder)
        if "code_digest" not in stages.get("evaluate", {}):
            raise UserError(f"{folder / PROVENANCE}: nothing of the evaluation is in it; run `make reproduce` again")
        runs[str(run)] = {
            "spec": specs[run],
            "code": stages["evaluate"]["code_digest"],
            "commit": {stage: record["git"]["commit"] for stage, record in stages.items()},
            "time": {stage: [record["started"], record["finished"]] for stage, record in stages.items()},
        }
        for fact in _FACTS:
            values = facts.setdefault(fact, [])
            values += [r[fact] for r in stages.values() if fact in r and r[fact] not in values]
    settings = {"experiment": config.experiments[experiment], "methods": config.methods_of(experiment)}
    return {"budget": config.budget, "settings": json.loads(canonical(settings)), "facts": facts, "runs": runs}


def _merge_rows(there: Config, experiment: str, done: dict[Run, Path], runs: dict[str, Any]) -> str:
    """`runs.csv`, wide, with the rows of these runs new and those of the other ones that are still valid."""
    import pandas as pd

    new = pd.DataFrame(rows_of(done), columns=COLUMNS)
    path = there.layout.runs(experiment)
    parts: list[pd.DataFrame] = [new]
    if path.exists():
        old = read_runs(path)
        names = old.dataset + "/" + old.method + "/seed=" + old.seed.astype(str)
        fresh = {str(run) for run in done}
        parts.append(old[names.isin(runs.keys() - fresh)])
    merged = pd.concat([part for part in parts if not part.empty], ignore_index=True)
    merged["nfe"] = merged["nfe"].astype("Int64")
    place = {run: k for k, run in enumerate(there.runs(experiment))}
    order = [place[Run(d, m, s)] for d, m, s in zip(merged.dataset, merged.method, merged.seed, strict=True)]
    merged = merged.assign(order=order).sort_values("order", kind="stable").drop(columns="order")
    csv: str = widened(merged).to_csv(index=False)
    return csv
