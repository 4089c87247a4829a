"""A column of a table of cells: which cells have which value, and which have none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cfm.types import Array, Indices

# What became of missing values when somebody turned numbers or categories into text.
_MISSING = ("", "nan", "NaN", "NaT", "<NA>")
_BOOL = ("False", "True")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Column:
    """`values`: the different ones, as text; `codes` (n,): which of them every cell has, -1 for none.

    `numbers`: the values as numbers, if that is what the file has. `ordered`: it says that `values` are in order.
    `dates`: they were points or lengths of time.
    """

    codes: Indices
    values: tuple[str, ...]
    numbers: tuple[float, ...] | None = None
    ordered: bool = False
    dates: bool = False

    def __len__(self) -> int:
        return len(self.codes)

    def of(self, rows: Array) -> Column:
        """The same of some cells, without the values that none of them has."""
        used, codes = np.unique(self.codes[rows], return_inverse=True)
        kept = used[used >= 0]
        values = tuple(self.values[k] for k in kept)
        numbers = None if self.numbers is None else tuple(self.numbers[k] for k in kept)
        return Column(codes - (len(used) - len(kept)), values, numbers, self.ordered, self.dates)

    def find(self, asked: str | float) -> list[int]:
        """The values that a name or number of the configuration means: what reads so, else those equal to it."""
        text = asked if isinstance(asked, str) else number_text(asked)
        if text in self.values:
            return [self.values.index(text)]
        if all(value in _BOOL for value in self.values):
            return [k for k, value in enumerate(self.values) if value == text.capitalize()]
        number = as_number(text)
        return [k for k, value in enumerate(self.values) if number is not None and as_number(value) == number]


def as_number(text: str) -> float | None:
    """The number that a text is, if it is one: digits, with a point, a sign and an exponent if need be."""
    plain = text.strip().replace("\N{MINUS SIGN}", "-")
    return float(plain) if _NUMBER.fullmatch(plain) else None


def number_text(value: Any) -> str:
    """A number as it is written: whole ones without a point, others with as many digits as their type has."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    return str(int(value)) if np.isfinite(value) and float(value).is_integer() else str(value)


def column_of(array: Array) -> Column | None:
    """The column that an array (n,) is, of text, numbers, booleans or dates; None if it is none of these."""
    if array.ndim != 1 or array.dtype.kind not in "fiubUSTMm":
        return None
    values, codes = np.unique(array, return_inverse=True)
    return coded(values, codes)


def coded(values: Array, codes: Indices, ordered: bool = False) -> Column:
    """The column of cells that have the values (k,) at the places `codes` (n,), -1 for none.

    Without the values that stand for none, and with those that read alike as one. TypeError if they are no text,
    numbers, booleans or dates.
    """
    kind = values.dtype.kind
    if kind in "Mm":
        texts = [None if np.isnat(value) else _date(value) for value in values]
    else:
        texts = [_text(value) for value in values.tolist()] if kind != "f" else [_text(value) for value in values]
    told = [text for text in texts if text is not None and text not in _MISSING]
    kept = {text: place for place, text in enumerate(dict.fromkeys(told))}
    places = np.array([kept.get(text or "", -1) for text in texts] + [-1])
    numeric = kind in "fiub" or (kind == "O" and all(not isinstance(value, str | bytes) for value in values))
    numbers = tuple(float(text == "True") if text in _BOOL else float(text) for text in kept) if numeric else None
    return Column(places[codes], tuple(kept), numbers, ordered, kind in "Mm")


def _text(value: Any) -> str | None:
    """A value as text, None where it stands for none; TypeError if it is nothing that a column has."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, str):
        return str(value)
    if value is None or value != value:
        return None
    if isinstance(value, bool | int | float | np.bool_ | np.integer | np.floating):
        return number_text(value)
    raise TypeError(f"{type(value).__name__} is neither text nor a number")


def _date(value: np.datetime64 | np.timedelta64) -> str:
    """Without the hours if it is midnight."""
    return re.sub(r"T00:00:00(\.0+)?$", "", str(value))


def some(values: Iterable[object]) -> str:
    """The first of some values, and how many more there are."""
    texts = [str(value) for value in values]
    return ", ".join(texts[:12]) + (f" and {len(texts) - 12} more" if len(texts) > 12 else "") or "none"
