"""Stage `collect`: the metrics of all runs of an experiment as one long table, `runs.csv`."""

from __future__ import annotations

from cfm.artifacts.runs import rows_of, write_runs
from cfm.config import Config


def collect(config: Config, experiment: str) -> None:
    """Write `runs.csv`: a row per run, solver and metric; a run that failed is one row with its reason."""
    write_runs(config.layout.runs(experiment), rows_of(config.runs(experiment)))
