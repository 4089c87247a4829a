"""`metrics.json` of a run, read as if a stranger had written it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from cfm.artifacts.layout import METRICS as METRICS_FILE
from cfm.errors import UserError, one_line
from cfm.files import read_json
from cfm.metrics import METRICS, plain


def failed(reason: str) -> dict[str, Any]:
    """The result of a solver that failed."""
    return {"status": "failed", "reason": reason, "nfe": None, "metrics": {}}


def measured(nfe: int, metrics: dict[str, float]) -> dict[str, Any]:
    """The result of a solver, finite metrics by name."""
    return {"status": "ok", "reason": "", "nfe": nfe, "metrics": metrics}


def is_measured(run: Path) -> bool:
    """Has the run been evaluated?"""
    return (run / METRICS_FILE).exists()


def read_metrics(run: Path) -> dict[str, dict[str, Any]]:
    """By solver: `status`, `reason` (one line), `nfe`, and the finite `metrics`; `UserError` if it is anything else."""
    path = run / METRICS_FILE
    found = read_json(path)
    for solver, result in found.items():
        problem = _problem(result)
        if problem:
            raise UserError(f"{path}: {solver[:80]}: {problem}; delete it and run again")
        result["reason"] = one_line(result["reason"])
    return found


def _problem(result: Any) -> str | None:
    if not isinstance(result, dict) or result.keys() != {"status", "reason", "nfe", "metrics"}:
        return "status, reason, nfe and metrics are expected"
    if result["status"] not in ("ok", "failed") or not isinstance(result["reason"], str):
        return "status is ok or failed, and reason a text"
    if not (result["nfe"] is None or type(result["nfe"]) is int):
        return "nfe is a whole number or null"
    values = result["metrics"]
    if not isinstance(values, dict) or (result["status"] == "failed" and values):
        return "metrics are values by name, and of a failed run none"
    for name, value in values.items():
        if plain(name) not in METRICS:
            return f"unknown metric '{name[:80]}'"
        if type(value) not in (int, float) or not math.isfinite(value):
            return f"{name} is no finite number"
    return None
