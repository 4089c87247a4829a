"""`train.csv`: the losses and seconds of one seed at every check of its training."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cfm.artifacts.layout import TRAINING_LOG
from cfm.errors import UserError
from cfm.files import atomic


@dataclass
class Row:
    """One line of train.csv; losses of one seed, seconds are this seed's share since the start.

    `val_w2`, `val_frechet`: distances of the carried validation points, at the checks of the learning curve
    (cfm/training/learning_curve.py).
    """

    step: int
    train_loss: float
    val_loss: float
    seconds_coupling: float
    seconds_step: float
    seconds_validation: float
    val_w2: float | None = None
    val_frechet: float | None = None


def write_log(run: Path, rows: Sequence[Row]) -> None:
    """Write the rows into the folder of a run."""
    with atomic(run / TRAINING_LOG) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(Row.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def read_log(run: Path) -> list[dict[str, float]]:
    """What is known at every check, by column and without the empty ones; none where nothing was trained.

    Files of external methods may have fewer columns, but `step`, and more, which are left. `UserError` if it is no such
    table of numbers.
    """
    path = run / TRAINING_LOG
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [*csv.DictReader(file)]
        known = [name for name in Row.__dataclass_fields__ if rows and name in rows[0]]
        found = [{name: float(row[name]) for name in known if row[name]} for row in rows]
        if any("step" not in row for row in found):
            raise ValueError("step")
        return found
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, csv.Error):
        raise UserError(f"{path}: damaged (numbers are expected, and a step in each row); delete it") from None
