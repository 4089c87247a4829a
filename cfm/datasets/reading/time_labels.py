"""The order of times: read off labels that leave no doubt, told by `times` otherwise, never guessed.

No doubt leave numbers; text with exactly one number and the same before and after it in all labels ("E6.5", "12h",
"day 3"); and ordered categories. A hyphen is a minus where the other reading would not be the same text in all labels
("D-2", "D0"); where it might be either ("D-2", "D-1"), the order is in doubt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cfm.datasets.reading.columns import Column, as_number, number_text, some
from cfm.errors import UserError
from cfm.types import Indices

Times = Sequence[str | float] | Mapping[str, float]

_MOST = 60  # different labels that may be times
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
_SIGNED = re.compile(rf"[+\-\N{{MINUS SIGN}}]?(?:{_PLAIN.pattern})")
# Text that YAML reads as that text, also within brackets.
_BARE = re.compile(r"[A-Za-z_]([\w .+/-]*[\w.+/-])?", re.ASCII)
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # of YAML, for something else


@dataclass(frozen=True)
class Order:
    """`labels` of the times in order; as numbers, if known; `places`: where every value of the column went, or -1."""

    labels: tuple[str, ...]
    observed: tuple[float, ...] | None
    places: Indices
    notes: tuple[str, ...] = ()


def in_order(path: Path, name: str, column: Column, times: Times | None) -> Order:
    """The times of a column of labels.

    `times`: the labels in order, or the number of every label (those of one number are one time); cells with other
    labels or none are not used. `UserError`, with a line for the configuration to say it by, if the order is in doubt.
    """
    where = f"{path}: '{name}'"
    if times is not None:
        return _told(where, column, times)
    missing = int((column.codes < 0).sum())
    if missing:
        raise UserError(
            f"{where}: {missing} of {len(column)} cells have no time (NaN): remove them, or name the times to be used "
            f"in the entry: {proposal(column.values)}"
        )
    numbers = _numbers(where, column)
    if column.ordered:
        return _as_categories(where, column, numbers)
    if numbers is None:
        raise UserError(f"{where}: {_doubt(column)}; {_what_to_write(column.values)}")
    _refuse_equal(where, column.values, numbers)
    order = np.argsort(numbers)
    return Order(tuple(column.values[k] for k in order), tuple(float(numbers[k]) for k in order), np.argsort(order), ())


def numbers_in(labels: Sequence[str]) -> list[float] | None:
    """The one number of every label, if there is no doubt about it."""
    whole = [as_number(label) for label in labels]
    if None not in whole:
        return [number for number in whole if number is not None]
    signed, plain = _split(labels, _SIGNED), _split(labels, _PLAIN)
    if signed is None:
        return None
    hyphens = [number for number in signed[1] if number.startswith("-")]
    doubtful = bool(hyphens) and plain is not None and plain[0] != "-"
    return None if doubtful else [float(n.replace("\N{MINUS SIGN}", "-")) for n in signed[1]]


def _split(labels: Sequence[str], number: re.Pattern[str]) -> tuple[str, list[str]] | None:
    """What is before the number and the numbers, if each label has one, with the same before and after it."""
    found = [(label.strip(), [*number.finditer(label.strip())]) for label in labels]
    if any(len(matches) != 1 for _, matches in found):
        return None
    around = {(text[: m.start()], text[m.end() :]) for text, (m,) in found}
    return (next(iter(around))[0], [m.group() for _, (m,) in found]) if len(around) == 1 else None


def _numbers(where: str, column: Column) -> list[float] | None:
    if column.dates:
        return None
    numbers = numbers_in(column.values) if column.numbers is None else list(column.numbers)
    if numbers is not None and not np.isfinite(numbers).all():
        raise UserError(f"{where}: a time is finite, found: {some(column.values)}")
    return numbers


def _as_categories(where: str, column: Column, numbers: list[float] | None) -> Order:
    """In the categories' own order; refused if it is that of text, as pandas makes it, where numbers say another."""
    if numbers is not None and not _monotone(numbers):
        ascending = [column.values[k] for k in np.argsort(numbers, kind="stable")]
        raise UserError(
            f"{where}: the category says the order {', '.join(column.values)}, its numbers another: write into the "
            f"entry {_line(ascending)} or {_line(column.values)}"
        )
    observed = None if numbers is None else tuple(numbers)
    return Order(column.values, observed, np.arange(len(column.values)))


def _monotone(numbers: Sequence[float]) -> bool:
    steps = np.diff(numbers)
    return bool((steps > 0).all() or (steps < 0).all())


def _told(where: str, column: Column, times: Times) -> Order:
    asked: list[str | float] = [*times]
    places = [_place(where, column, label) for label in asked]
    names = [column.values[place] for place in places]
    for k, place in enumerate(places):
        if place in places[:k]:
            raise UserError(f"{where}: times: '{names[k]}' is named twice")
    groups = [[name] for name in names]
    observed: Sequence[float] | None
    if isinstance(times, Mapping):
        distinct = sorted({*times.values()})
        groups = [[n for n, told in zip(names, times.values(), strict=True) if told == value] for value in distinct]
        observed = distinct
    else:
        numbers = numbers_in(names)
        observed = numbers if numbers is not None and _monotone(numbers) else None
    goes = np.full(len(column.values), -1)
    for place, group in enumerate(groups):
        goes[[column.values.index(name) for name in group]] = place
    unused = [value for value in column.values if value not in names]
    unused += ["no label"] if (column.codes < 0).any() else []
    count = int((np.append(goes, -1)[column.codes] < 0).sum())
    note = f"{count} of {len(column)} cells are not used, since `times` does not name their label: {some(unused)}"
    labels = tuple(" + ".join(group) for group in groups)
    return Order(labels, None if observed is None else tuple(observed), goes, (note,) if count else ())


def _place(where: str, column: Column, label: str | float) -> int:
    places = column.find(label)
    if len(places) != 1:
        text = label if isinstance(label, str) else number_text(label)
        raise UserError(f"{where}: times: no cell has '{text}'; there are: {some(column.values)}")
    return places[0]


def _refuse_equal(where: str, labels: Sequence[str], numbers: Sequence[float]) -> None:
    for k, number in enumerate(numbers):
        if number in numbers[:k]:
            one, other = labels[numbers.index(number)], labels[k]
            pasted = ", ".join(f"{bare(label)}: {number_text(n)}" for label, n in zip(labels, numbers, strict=True))
            raise UserError(
                f"{where}: '{one}' and '{other}' are the same number: write them alike in the file, or say in the "
                f"entry that they are one time: times: {{{pasted}}}"
            )


def _doubt(column: Column) -> str:
    if column.dates:
        return f"dates are not taken for times: {some(column.values)}"
    hyphen = " (a hyphen may be a minus)" if any(re.search(r"\D-[0-9]", label) for label in column.values) else ""
    return f"the order of these labels is in doubt{hyphen}: {some(column.values)}"


def _what_to_write(labels: Sequence[str]) -> str:
    if len(labels) > _MOST:
        return f"{len(labels)} different ones are hardly times: is it the right column?"
    return f"write them into the entry, in their order: {proposal(labels)}"


def proposal(labels: Sequence[str]) -> str:
    """A line for the entry that says the order: the natural one, numbers within text compared as numbers."""
    return _line(sorted(labels, key=lambda text: [*_natural(text)]))


def _line(labels: Sequence[str]) -> str:
    return "times: [...]" if len(labels) > _MOST else f"times: [{', '.join(map(bare, labels))}]"


def _natural(text: str) -> list[tuple[int, float, str]]:
    parts = re.split(f"({_PLAIN.pattern})", text)
    return [(0, float(part), "") if k % 2 else (1, 0.0, part) for k, part in enumerate(parts)]


def bare(label: str) -> str:
    """A label as YAML reads it back as text, within brackets too."""
    safe = _BARE.fullmatch(label) and label.lower() not in _WORDS
    return label if safe else json.dumps(label, ensure_ascii=False)
