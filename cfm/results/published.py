"""The published numbers of config/paper.yaml, by table, row, data set and metric."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cfm.config.strict import Where, build, read_yaml
from cfm.errors import UserError

FILE = Path("config/paper.yaml")

# Appended to a published number; what each mark means is printed below the table.
MARKS = {"confirmed": "", "mean_confirmed": "†", "unconfirmed": "‡"}
MARK_NOTES = {
    "†": "† the mean is confirmed, its standard deviation is not",
    "‡": "‡ unconfirmed: this published number could not be checked against the paper",
}


@dataclass(frozen=True)
class Published:
    """One cell of a published table."""

    table: str
    row: str
    dataset: str | None
    metric: str
    mean: float | None
    std: float | None
    unit: str
    confidence: Literal["confirmed", "mean_confirmed", "unconfirmed", "not_applicable", "unknown"]
    note: str = ""


def load_published() -> dict[tuple[str, str, str | None, str], Published]:
    """Every published cell by (table, row, data set, metric)."""
    entries: Any = read_yaml(FILE)
    if not isinstance(entries, list):
        raise UserError(f"{FILE}: a list of published values is expected")
    cells: dict[tuple[str, str, str | None, str], Published] = {}
    for number, entry in enumerate(entries):
        cell = build(Published, entry, Where(str(FILE)) / number)
        key = (cell.table, cell.row, cell.dataset, cell.metric)
        if key in cells:
            raise UserError(f"{FILE}: {' / '.join(map(str, key))}: given twice")
        cells[key] = cell
    return cells
