"""Stage `collect`: the metrics of all runs of an experiment as one long table, `runs.csv`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfm.config import Config, Run
from cfm.errors import UserError
from cfm.measured import read_metrics
from cfm.metrics import metric_of
from cfm.resume import write_text

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["dataset", "method", "seed", "solver", "nfe", "metric", "value", "unit", "status", "reason"]


def collect(config: Config, experiment: str) -> None:
    """Write `runs.csv`: a row per run, solver and metric; a run that failed is one row with its reason."""
    import pandas as pd

    table = pd.DataFrame(rows_of(config.runs(experiment)), columns=COLUMNS)
    table["nfe"] = table["nfe"].astype("Int64")
    write_text(config.layout.runs(experiment), table.to_csv(index=False))


def rows_of(runs: Mapping[Run, Path]) -> list[dict[str, Any]]:
    """The rows of some runs, by their folders."""
    return [
        {"dataset": dataset, "method": method, "seed": seed, **row}
        for (dataset, method, seed), folder in runs.items()
        for row in _rows(folder / "metrics.json")
    ]


def read_runs(path: Path) -> pd.DataFrame:
    """`runs.csv` as a table; `UserError` if it is missing or damaged."""
    import pandas as pd

    types = {"nfe": "Int64", "seed": "int64", "value": "float64", "reason": "string"}
    try:
        table = pd.read_csv(path, dtype=types, keep_default_na=True, float_precision="round_trip")
        if [*table.columns] != COLUMNS:
            raise ValueError("columns")
    except FileNotFoundError:
        raise UserError(f"{path}: missing; `make reproduce` writes it") from None
    except ValueError as error:
        raise UserError(f"{path}: damaged ({type(error).__name__}); delete it and run again") from None
    return table


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for solver, result in read_metrics(path).items():
        common = {
            "solver": solver,
            "nfe": result["nfe"],
            "status": result["status"],
            "reason": result["reason"],
        }
        if result["status"] != "ok":
            rows.append(common)
        for metric, value in result["metrics"].items():
            rows.append({**common, "metric": metric, "value": value, "unit": metric_of(metric).unit})
    return rows
