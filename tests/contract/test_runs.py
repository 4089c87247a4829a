"""`runs.csv` in its two layouts: the wide one, which the repository keeps, says all that the long one says."""

from pathlib import Path
from typing import Any

import pandas as pd
from pandas.testing import assert_frame_equal

from cfm.artifacts.runs import COLUMNS, read_runs, widened, write_runs
from cfm.metrics import metric_of


def _rows(method: str, seed: int, solver: str, nfe: int | None, metrics: dict[str, float]) -> list[dict[str, Any]]:
    """Of a run and solver, as `rows_of` gives them; without metrics it failed."""
    run = {"dataset": "moons", "method": method, "seed": seed, "solver": solver, "nfe": nfe}
    if not metrics:
        return [{**run, "status": "failed", "reason": 'the plan is "zero", or NaN'}]
    ok = {**run, "status": "ok", "reason": ""}
    return [{**ok, "metric": m, "value": value, "unit": metric_of(m).unit} for m, value in metrics.items()]


ROWS = [
    *_rows("otcfm", 42, "dopri5", 38, {"nfe": 38.0, "npe": 0.1 + 0.2, "w2_large": 5e-324}),
    *_rows("otcfm", 42, "euler10", 10, {"nfe": 10.0, "npe": -0.0, "w2": 1 / 3}),  # without w2_large
    *_rows("otcfm", 43, "dopri5", None, {}),
    *_rows("otcfm", 43, "euler10", None, {}),
    *_rows("identity", 42, "dopri5", 0, {"w2": 1.7976931348623157e308}),  # without nfe as a metric
    *_rows("otcfm", 7, "dopri5", None, {"npe": 2.0}),
]


def test_wide_and_back_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    write_runs(tmp_path / "long.csv", ROWS)
    long = read_runs(tmp_path / "long.csv")
    wide = widened(long)
    wide.to_csv(tmp_path / "wide.csv", index=False)
    back = read_runs(tmp_path / "wide.csv")
    assert_frame_equal(back, long, check_exact=True)
    assert [*back.columns] == COLUMNS and len(back) == len(ROWS) == 10
    bits = [column.dropna().to_numpy().view("int64").tolist() for column in (back.value, long.value)]
    assert bits[0] == bits[1]


def test_the_wide_layout_has_a_row_for_each_solver_of_a_run_and_a_column_for_each_metric() -> None:
    table = pd.DataFrame(ROWS, columns=COLUMNS).astype({"nfe": "Int64"})
    wide = widened(table)
    facts = ["dataset", "method", "seed", "solver", "evaluations", "status", "reason"]
    assert [*wide.columns] == [*facts, "nfe", "npe", "w2", "w2_large"]
    assert [*zip(wide.method, wide.seed, wide.solver, strict=True)] == [
        ("otcfm", 42, "dopri5"),
        ("otcfm", 42, "euler10"),
        ("otcfm", 43, "dopri5"),
        ("otcfm", 43, "euler10"),
        ("identity", 42, "dopri5"),
        ("otcfm", 7, "dopri5"),
    ]
    assert wide.loc[wide.status == "failed", ["nfe", "npe", "w2", "w2_large"]].isna().all(axis=None)
