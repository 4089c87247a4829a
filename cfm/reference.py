"""Keeping a run: the small tables and figures of an experiment, with their provenance, for the repository."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from cfm.config import Config
from cfm.errors import UserError
from cfm.resume import write_json

FOLDER = Path("results/reference")


def keep(config: Config, experiment: str) -> Path:
    """Copy `runs.csv`, tables and png figures to results/reference/{budget}/{experiment}; returns the folder."""
    source = config.layout.experiment(experiment)
    files = [*source.glob("runs.csv"), *source.glob("tables/*"), *source.glob("figures/*.png")]
    expected = len(config.experiments[experiment].tables)
    if len([path for path in files if path.suffix == ".md"]) < expected:
        raise UserError(f"{source}: not all tables are there; run `make reproduce BUDGET={config.budget}` first")
    folder = FOLDER / config.budget / experiment
    if folder.exists():
        shutil.rmtree(folder)
    for path in files:
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    write_json(folder / "provenance.json", _provenance(config, experiment))
    return folder


def _provenance(config: Config, experiment: str) -> dict[str, Any]:
    """What all runs share once, what differs between them per run."""
    stages: dict[str, list[dict[str, Any]]] = {}
    runs: dict[str, Any] = {}
    for dataset, method in config.pairs(experiment):
        for seed in config.experiments[experiment].seeds:
            folder = config.layout.run(experiment, dataset, method, seed)
            stored = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
            spans = {}
            for stage in ("train", "sample", "evaluate"):
                if stored.get(stage):
                    stages.setdefault(stage, []).append(stored[stage])
                    spans[stage] = [stored[stage]["started"], stored[stage]["finished"]]
            runs[f"{dataset}/{method}/seed={seed}"] = {**spans, "code": stored["evaluate"]["code_digest"]}
    return {
        "budget": config.budget,
        "settings": json.loads(_settings(config, experiment)),
        "stages": {stage: _common(records) for stage, records in stages.items()},
        "runs": runs,
    }


def _settings(config: Config, experiment: str) -> str:
    from cfm.config import canonical

    methods = {name: config.methods[name].method for name in config.methods_of(experiment)}
    return canonical({"experiment": config.experiments[experiment], "methods": methods})


def _common(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Per fact the distinct values that occur (usually one)."""
    facts = ("git", "packages", "python", "machine", "device")
    distinct = {
        fact: {json.dumps(record[fact], sort_keys=True) for record in records if fact in record} for fact in facts
    }
    return {fact: [json.loads(value) for value in sorted(values)] for fact, values in distinct.items() if values}
