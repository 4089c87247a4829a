"""The jobs of a workflow, each known by the files that Snakemake says it writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfm.artifacts.layout import METRICS, MODEL, TRAINING_LOG

# The first of these that the path of an output below results/{budget} has, tells the verb.
_VERBS = (
    (r"(?P<experiment>[^/]+)/(?P<dataset>[^/]+)/data\.npz", "data"),
    (r"(?P<experiment>[^/]+)/(?P<dataset>[^/]+)/source_target/seed=(?P<seed>\d+)\.json", "source-target"),
    (rf"{{run}}/(?:{re.escape(MODEL)}|{re.escape(TRAINING_LOG)})", "train"),
    (r"{run}/samples/[^/]+", "sample"),
    (rf"{{run}}/{re.escape(METRICS)}", "evaluate"),
    (r"(?P<experiment>[^/]+)/runs\.csv", "collect"),
    (r"(?P<experiment>[^/]+)/tables/[^/]+", "table"),
    (r"(?P<experiment>[^/]+)/figures/[^/]+", "figure"),
    (r"claims\.\w+", "claims"),
    (r"report\.html", "report"),
)
_RUN = r"(?P<experiment>[^/]+)/(?P<dataset>[^/]+)/(?P<method>[^/]+)/seed=(?P<seed>\d+)"


@dataclass(frozen=True)
class Job:
    """One job: its verb (`other` if it writes nothing that is known), what it is for, the name of a table or figure,
    and the cores that it takes."""

    verb: str
    experiment: str = ""
    dataset: str = ""
    method: str = ""
    seeds: tuple[int, ...] = ()
    name: str = ""
    threads: int = 1

    def __str__(self) -> str:
        place = "/".join(filter(None, (self.experiment, self.dataset, self.method, self.name)))
        return f"{self.verb} {place}".strip()


def of_event(told: Mapping[str, Any], root: Path) -> Job | None:
    """The job of an event (`cfm.workflow.events`) of the budget in `root`; None for one that writes nothing."""
    paths = [Path(path) for path in told["output"]]
    below = [path.relative_to(root).as_posix() for path in paths if path.is_relative_to(root)]
    if not below:
        return Job("other", name=told["rule"], threads=told["threads"]) if paths else None
    for pattern, verb in _VERBS:
        found = [re.fullmatch(pattern.replace("{run}", _RUN), path) for path in below]
        matches = [match.groupdict() for match in found if match]
        if matches:
            where = {key: matches[0][key] for key in ("experiment", "dataset", "method") if key in matches[0]}
            seeds = tuple(sorted({int(match["seed"]) for match in matches if "seed" in match}))
            name = (
                told["rule"].removeprefix(f"{verb}_{where.get('experiment')}_") if verb in ("table", "figure") else ""
            )
            if told["rule"].startswith("objective_"):
                verb = "objective"  # it writes what `evaluate` does
            if verb == "figure":
                where["dataset"] = told["wildcards"].get("dataset", "")
            return Job(verb, **where, seeds=seeds, name=name, threads=told["threads"])
    return Job("other", name=told["rule"], threads=told["threads"])
