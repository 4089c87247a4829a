"""What every method of an experiment costs: seconds of training and sampling, evaluations, CPU time in all."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cfm.artifacts.provenance import read_provenance
from cfm.artifacts.runs import read_runs
from cfm.artifacts.training_log import read_log
from cfm.config import Config
from cfm.results.report.tables import Block, block
from cfm.results.tables._cells import number
from cfm.results.tables.base import Grid

if TYPE_CHECKING:
    import pandas as pd

_NONE = "—"
_ADAPTIVE = "dopri5"  # shown beside the first solver: its evaluations are the method's doing


def costs(config: Config, experiment: str) -> Block | None:
    """A row per method: means over data sets, with the standard deviation over seeds; None if nothing is measured."""
    path = config.layout.runs(experiment)
    settings = config.experiments[experiment]
    if not path.exists() or settings.objective is not None:
        return None
    runs = read_runs(path)
    methods = [name for name in config.methods_of(experiment) if name in set(runs.method)]
    solvers = [name for k, name in enumerate(settings.solvers) if k == 0 or name == _ADAPTIVE]
    columns = {"training (s)": [_seconds(runs, name, solvers[0], "train_seconds") for name in methods]}
    columns["of it couplings"] = [_coupling_share(config, experiment, name) for name in methods]
    for solver in solvers:
        columns[f"sampling, {solver} (s)"] = [_seconds(runs, name, solver, "sample_seconds") for name in methods]
        columns[f"evaluations, {solver}"] = [_evaluations(runs, name, solver) for name in methods]
    columns["CPU, all runs (min)"] = [_cpu_minutes(config, experiment, name) for name in methods]
    columns = {title: cells for title, cells in columns.items() if {*cells} != {_NONE}}
    if not columns:
        return None
    labels = [config.methods[name].entry.label for name in methods]
    rows = [[label, *(cells[k] for cells in columns.values())] for k, label in enumerate(labels)]
    return block(Grid("", ["method", *columns], rows))


def _seconds(runs: pd.DataFrame, method: str, solver: str, metric: str) -> str:
    mine = runs[(runs.method == method) & (runs.solver == solver) & (runs.metric == metric)]
    by_seed = [*mine.groupby("seed").value.mean()]
    if not any(by_seed):  # nothing to train or to solve
        return _NONE
    spread = f" ± {number(statistics.stdev(by_seed))}" if len(by_seed) > 1 else ""
    return f"{number(statistics.fmean(by_seed))}{spread} (n={len(by_seed)})"


def _evaluations(runs: pd.DataFrame, method: str, solver: str) -> str:
    found = runs[(runs.method == method) & (runs.solver == solver) & (runs.status == "ok")].nfe.dropna()
    return f"{found.mean():.0f}" if len(found) and found.mean() else _NONE


def _coupling_share(config: Config, experiment: str, method: str) -> str:
    logs = [read_log(folder) for run, folder in config.runs(experiment).items() if run.method == method]
    shares = [share for rows in logs if rows and (share := _share(rows[-1])) is not None]
    return f"{100 * statistics.fmean(shares):.0f}%" if shares else _NONE


def _share(last: Mapping[str, float]) -> float | None:
    """Of the couplings; None where a column is not known."""
    names = [f"seconds_{part}" for part in ("coupling", "step", "validation")]
    spent = sum(last.get(name, math.nan) for name in names)
    return last[names[0]] / spent if spent > 0 else None


def _cpu_minutes(config: Config, experiment: str, method: str) -> str:
    """Of all stages of all runs of the method that are done."""
    folders = [folder for run, folder in config.runs(experiment).items() if run.method == method]
    seconds = sum(record["cpu_seconds"] for folder in folders for record in read_provenance(folder).values())
    return f"{seconds / 60:.2f}" if seconds else _NONE
