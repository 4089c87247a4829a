"""`python -m cfm compare FIRST SECOND`: the paired comparison of two methods, of whatever runs there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cfm import config as configuration
from cfm.artifacts.metrics import is_measured
from cfm.artifacts.runs import COLUMNS, read_runs, rows_of
from cfm.cli.reference import FOLDER, kept
from cfm.config import Config, available_experiments
from cfm.config.entries import by_name
from cfm.config.strict import Where, check_name
from cfm.errors import UserError
from cfm.metrics import METRICS, names, plain
from cfm.results.compare import compare
from cfm.results.compare_text import text
from cfm.settings import PAIRS
from cfm.workflow.finished import with_finished

if TYPE_CHECKING:
    import pandas as pd


def run(
    budget: str,
    first: str,
    second: str,
    experiment: str | None,
    metrics: Sequence[str],
    datasets: Sequence[str],
    solver: str | None,
    of_kept: bool,
) -> str:
    """The comparison as text, for one experiment or for all in which both have runs.

    Unless named, metrics are those of the experiment's first table, the solver that of the first table with the
    metric. `UserError` if nothing can be compared.
    """
    if experiment is not None:
        check_name(experiment, available_experiments(), "experiment", Where("--experiment"))
    config = configuration.load(budget, (experiment,) if experiment is not None else ())
    config = kept(config) if of_kept else with_finished(config.whole())
    for name in (first, second):
        check_name(name, config.methods, "method", Where("compare"))
    for metric in metrics:
        check_name(plain(metric), METRICS, "metric", Where("--metric"))
    for dataset in datasets:
        check_name(dataset, by_name(config.datasets), "data set", Where("--dataset"))
    if first == second:
        raise UserError(f"compare: {first} with itself: name two methods")
    found = []
    for name in config.experiments:
        members = config.methods_of(name)
        absent = [method for method in (first, second) if method not in members]
        runs = None if absent else _runs(config, name)
        without = [method for method in (first, second) if runs is None or method not in {*runs.method}]
        if not absent and not without:
            assert runs is not None
            found += _experiment(config, name, runs, (first, second), metrics, datasets, solver, experiment is not None)
        elif experiment is not None:
            raise UserError(
                f"{' and '.join(absent)}: no part of {name}; it has {', '.join(members)}"
                if absent
                else f"{name}: no finished runs of {' and '.join(without)} at budget '{budget}'"
            )
    if not found:
        asked = ", ".join((*metrics, *datasets, *([solver] if solver else [])))
        where = f"budget '{budget}'" + (f" in {FOLDER}" if of_kept else "") + (f" with {asked}" if asked else "")
        raise UserError(f"no experiment has finished runs of both {first} and {second} at {where}")
    return "\n\n".join(found)


def _runs(config: Config, experiment: str) -> pd.DataFrame | None:
    """The experiment's `runs.csv`; until there is one, the rows of its runs that are measured; None without any."""
    import pandas as pd

    path = config.layout.runs(experiment)
    if path.exists():
        return read_runs(path)
    done = {run: folder for run, folder in config.runs(experiment).items() if is_measured(folder)}
    return pd.DataFrame(rows_of(done), columns=COLUMNS) if done else None


def _experiment(
    config: Config,
    experiment: str,
    runs: pd.DataFrame,
    methods: tuple[str, str],
    metrics: Sequence[str],
    datasets: Sequence[str],
    solver: str | None,
    alone: bool,
) -> list[str]:
    """Its comparisons; an experiment without what is named is wrong if it was named itself, and else left out."""
    settings = config.experiments[experiment]
    groups = by_name({name: config.datasets[name] for name in settings.datasets})
    solvers = [PAIRS] if settings.objective else [*settings.solvers]
    asked = [(metrics, names(settings.metrics), "metric"), (datasets, groups, "data set")]
    asked.append(([solver] if solver else [], solvers, "solver"))
    for chosen, known, what in asked:
        for name in chosen:
            if alone:
                check_name(name, known, what, Where(experiment))
            elif name not in known:
                return []
    tables = [table for table in settings.tables.values() if table.metrics and table.solver]
    shown = {metric: table.solver for table in reversed(tables) for metric in table.metrics}
    default: Sequence[str] = [*tables[0].metrics] if tables else settings.metrics
    return [
        text(compare(config, experiment, runs, solver or shown.get(metric) or solvers[0], metric, methods, datasets))
        for metric in metrics or default
    ]
