"""`runs.csv`: the metrics of all runs of an experiment in one long table, or wide, as the repository keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfm.artifacts.layout import Run
from cfm.artifacts.metrics import read_metrics
from cfm.errors import UserError
from cfm.files import write_text
from cfm.metrics import metric_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["dataset", "method", "seed", "solver", "nfe", "metric", "value", "unit", "status", "reason"]
# Of the wide layout, before a column per metric. One metric is called nfe, so the column of that name has another.
_WIDE = ["dataset", "method", "seed", "solver", "evaluations", "status", "reason"]


def rows_of(runs: Mapping[Run, Path]) -> list[dict[str, Any]]:
    """The rows of some runs, by their folders."""
    return [
        {"dataset": dataset, "method": method, "seed": seed, **row}
        for (dataset, method, seed), folder in runs.items()
        for row in _rows(folder)
    ]


def write_runs(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows of all runs of an experiment."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=COLUMNS)
    table["nfe"] = table["nfe"].astype("Int64")
    write_text(path, table.to_csv(index=False))


def widened(table: pd.DataFrame) -> pd.DataFrame:
    """The long table with a row per data set, method, seed and solver, and a column per metric.

    It has all that is in the long one, which `read_runs` makes of it, in a third of the bytes.
    """
    rows = table.rename(columns={"nfe": "evaluations"})[_WIDE]
    place = rows.groupby(_WIDE, dropna=False, sort=False).ngroup()
    measured = table.assign(place=place).dropna(subset="metric")
    return rows.drop_duplicates(ignore_index=True).join(measured.pivot(index="place", columns="metric", values="value"))


def read_runs(path: Path) -> pd.DataFrame:
    """`runs.csv`, long or wide, as the long table; `UserError` if it is missing or damaged."""
    import pandas as pd

    types = {"nfe": "Int64", "evaluations": "Int64", "seed": "int64", "value": "float64", "reason": "string"}
    try:
        table = pd.read_csv(path, dtype=types, keep_default_na=True, float_precision="round_trip")
        if [*table.columns[: len(_WIDE)]] == _WIDE:
            return _long(table)
        if [*table.columns] != COLUMNS:
            raise ValueError("columns")
    except FileNotFoundError:
        raise UserError(f"{path}: missing; `make reproduce` writes it") from None
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: damaged ({type(error).__name__}); delete it and run again") from None
    return table


def _long(wide: pd.DataFrame) -> pd.DataFrame:
    """What `widened` was given; a row without any value is that of a failed run."""
    import pandas as pd

    values = wide.drop(columns=_WIDE).astype("float64").rename_axis(columns="metric")
    measured = pd.Series(values.stack(future_stack=True), name="value").dropna().reset_index("metric")
    table = wide[_WIDE].rename(columns={"evaluations": "nfe"}).join(measured)
    unit = table.metric.map(lambda name: metric_of(name).unit, na_action="ignore")
    return table.assign(unit=unit)[COLUMNS].reset_index(drop=True)


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for solver, result in read_metrics(folder).items():
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
