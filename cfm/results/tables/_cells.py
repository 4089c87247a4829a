"""The cells of a comparison with the paper: a row of its csv each."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass

NOT_COMPARABLE = "not comparable"  # how the verdict begins of a cell that is known to be measured otherwise


@dataclass(frozen=True)
class Cell:
    """Our mean and standard deviation (n - 1) over n seeds, the paper's, and the verdict on their agreement.

    `best`: not distinguishable from the best trained method on its data set (paired test over seeds). `deviations`:
    how many combined standard deviations the means are apart, whether they can be compared or not.
    """

    method: str
    dataset: str
    metric: str
    n: int
    mean: float | None
    std: float | None
    paper_mean: float | None
    paper_std: float | None
    paper_confidence: str
    verdict: str
    note: str
    best: bool = False
    deviations: float | None = None


def letters(cells: Iterable[Cell]) -> dict[str, str]:
    """A letter for every reason why cells cannot be compared with the paper's, by the verdict."""
    verdicts = dict.fromkeys(cell.verdict for cell in cells if cell.verdict.startswith(NOT_COMPARABLE))
    return dict(zip(verdicts, _names(len(verdicts)), strict=True))


def _names(count: int) -> list[str]:
    """a, b, ..., z, aa, ab, ..."""
    alphabet = string.ascii_lowercase
    return [*alphabet, *(first + second for first in alphabet for second in alphabet)][:count]


def number(value: float) -> str:
    """Three decimals below 100, whole numbers above."""
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
