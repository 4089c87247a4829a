"""Where a table is known to be measured otherwise than the published one: then agreement of the numbers says nothing.

What is known: the file of an experiment has the published settings where it has a table of the paper, so what a budget
changes of it is a difference; `differs` of a table says what config/ cannot; and a published mean that lies
below what fresh samples of the target reach was not measured on as few points.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from cfm.config import Config, as_filed
from cfm.metrics import is_large, metric_of
from cfm.results.columns import Column
from cfm.settings import Sizes, Table

_NOT_NUMBERS = ("points", "batch")  # of a solver: what it is given and in which parts, not what it does


def as_published(config: Config, experiment: str) -> Config:
    """The configuration of one experiment at the published settings."""
    return replace(config, experiments={experiment: as_filed(experiment, config.methods, config.datasets)})


def differences(
    config: Config, published: Config, experiment: str, table: Table, method: str, metric: str
) -> list[str]:
    """What is known to be different from the published settings for a method and a metric: in words, none if empty."""
    found = [table.differs] if table.differs else []
    here, there = config.experiments[experiment], published.experiments[experiment]
    trained = config.training(experiment, method) is not None
    found += _changed(_splits(here.sizes, trained, metric), _splits(there.sizes, trained, metric), "points: ")
    if table.solver in here.solvers and table.solver in there.solvers:
        solvers = (asdict(e.solvers[table.solver]) for e in (here, there))
        ours, theirs = ({k: v for k, v in solver.items() if k not in _NOT_NUMBERS} for solver in solvers)
        found += _changed(ours, theirs, "solver: ")
    name: str | None = method
    while name is not None:  # trained otherwise itself, or its teacher
        ours, theirs = (asdict(t) if (t := c.training(experiment, name)) else {} for c in (config, published))
        changed = _changed(ours, theirs, "" if name == method else f"{name}: ")
        if changed:
            return found + changed
        name = config.methods[name].method.teacher
    return found


def _splits(sizes: Sizes | None, trained: bool, metric: str) -> dict[str, int]:
    """The sizes on which a number rests."""
    if sizes is None:
        return {}
    tested = {"test": sizes.test_large if is_large(metric) else sizes.test}
    return {"train": sizes.train, "validation": sizes.val, **tested} if trained else tested


def _changed(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str) -> list[str]:
    changed = [
        f"{key.replace('_', ' ')} {_words(ours[key])} instead of {_words(theirs[key])}"
        for key in ours
        if key in theirs and ours[key] != theirs[key]
    ]
    return [prefix + ", ".join(changed)] if changed else []


def _words(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def floor(config: Config, runs: Any, column: Column, metric: str, methods: list[str]) -> tuple[float, float] | None:
    """Mean and standard deviation of a distance that fresh samples of the target reach; None where it is no floor.

    A floor is what no trained method comes below: the path error of fresh samples, for one, is none.
    """
    if metric_of(metric).better != "lower":
        return None
    means: dict[str, float] = {}
    spread = 0.0
    for method in methods:
        values = [*column.by_seed(runs, method, metric).values()]
        if config.methods[method].entry.family == "oracle" and len(values) > 1:
            means["floor"], spread = statistics.fmean(values), statistics.stdev(values)
        elif config.methods[method].method.trained and values:
            means["best"] = min(means.get("best", values[0]), statistics.fmean(values))
    if means.keys() != {"floor", "best"} or means["best"] < means["floor"] - 3 * spread:
        return None
    return means["floor"], spread


def below_floor(paper: float, reached: tuple[float, float] | None) -> list[str]:
    """The difference that such a floor shows: fresh samples themselves differ from the published mean, upwards."""
    if reached is None or not paper < reached[0] - 3 * reached[1]:
        return []
    return ["fresh samples of the target lie more than three standard deviations above the published value here"]
