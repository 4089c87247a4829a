"""Stage `collect`: the metrics of all runs of an experiment as one long table, `runs.csv`."""

from __future__ import annotations

from cfm.artifacts.metrics import is_measured
from cfm.artifacts.runs import rows_of, write_runs
from cfm.config import Config
from cfm.errors import UserError


def collect(config: Config, experiment: str) -> int:
    """Write `runs.csv`: a row per run, solver and metric; a run that failed is one row with its reason.

    Returns how many runs are not finished, which have no row; `UserError`, and nothing is written, if none is.
    """
    runs = config.runs(experiment)
    done = {run: folder for run, folder in runs.items() if is_measured(folder)}
    if not done:
        raise UserError(f"{config.layout.experiment(experiment)}: no finished run; `make reproduce` runs them")
    write_runs(config.layout.runs(experiment), rows_of(done))
    return len(runs) - len(done)
