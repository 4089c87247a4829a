"""Tables of binary attributes of pictures, in the two forms in which CelebA's is had; or one line on what is wrong.

As text (list_attr_celeba.txt): the number of pictures, a line with the names of the attributes, and a line for each
picture, its file name and a value for every attribute. As CSV (list_attr_celeba.csv): a first line of names, the first
one of the pictures' column, whatever it is called; separated by commas, semicolons or tabs. A value is 1 or -1, or in
other tables 1 or 0; the two are not mixed within an attribute.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cfm.errors import UserError, nearest
from cfm.types import Flags

_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Table:
    """The names of the attributes, and of each picture its line in the file, its name and the cells of its values."""

    path: Path
    names: list[str]
    lines: list[int]
    pictures: list[str]
    values: list[list[str]]

    def flags(self, attribute: str) -> Flags:
        """Which pictures have the attribute, (n,)."""
        if attribute not in self.names:
            raise UserError(f"{self.path}: no attribute '{attribute}'; {nearest(attribute, self.names)}")
        column = self.names.index(attribute)
        return as_flags(
            [cells[column] for cells in self.values],
            f"{self.path}: '{attribute}'",
            [f"line {line}" for line in self.lines],
        )


def as_flags(values: Sequence[object], where: str, places: Sequence[str]) -> Flags:
    """Values 1 and -1, or 1 and 0, as flags; `UserError` that names the first place with something else."""
    numbers = np.array([_number(value) for value in values])
    odd = ~np.isin(numbers, (-1, 0, 1))
    if odd.any():
        k = int(odd.argmax())
        raise UserError(f"{where}: {places[k]}: a value 1 or -1 (or 0) per picture is expected, found '{values[k]}'")
    if (numbers == -1).any() and (numbers == 0).any():
        k, m = int((numbers == -1).argmax()), int((numbers == 0).argmax())
        raise UserError(
            f"{where}: {places[k]} has -1 and {places[m]} has 0: 1 or -1, or else 1 or 0, is expected in all of them"
        )
    found: Flags = numbers == 1
    return found


def read_table(path: Path) -> Table:
    """The table of either form."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}): text in UTF-8 is expected") from None
    first = next((line for line in lines if line.strip()), "")
    separator = max(_SEPARATORS, key=first.count)
    if separator in first:
        names, rows = _as_csv(path, lines, separator)
    elif first.strip().isdecimal():
        names, rows = _as_text(path, lines)
    else:
        raise UserError(
            f"{path}: a number of pictures, a line of names and so many lines of values are expected, or a CSV file "
            f"whose first line names its columns; found '{first.strip()[:60]}'"
        )
    _check(path, names, rows)
    return Table(
        path, names, [line for line, _ in rows], [cells[0] for _, cells in rows], [cells[1:] for _, cells in rows]
    )


_Rows = list[tuple[int, list[str]]]  # number of the line, and its cells


def _as_text(path: Path, lines: list[str]) -> tuple[list[str], _Rows]:
    (_, (count, *_)), *rows = [(k, line.split()) for k, line in enumerate(lines, 1) if line.strip()]
    names, rows = (rows[0][1], rows[1:]) if rows else ([], [])
    if len(rows) != int(count):
        raise UserError(f"{path}: its first line says {int(count)} pictures, and there are {len(rows)} lines of values")
    return names, rows


def _as_csv(path: Path, lines: list[str], separator: str) -> tuple[list[str], _Rows]:
    reader = csv.reader((line + "\n" for line in lines), delimiter=separator, skipinitialspace=True, strict=True)
    rows: _Rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num}: cannot be read ({error})") from None
    (_, (first, *names)), *rows = rows
    if not first:
        raise UserError(
            f"{path}: its first column has no name, as an index has: the pictures' names are expected in the first one"
        )
    return names, rows


def _check(path: Path, names: list[str], rows: _Rows) -> None:
    """As many cells in every line, no name twice."""
    if not names or not rows:
        raise UserError(f"{path}: no {'pictures' if names else 'attributes'} in it")
    twice = {name for name in names if names.count(name) > 1 or not name}
    if twice:
        raise UserError(
            f"{path}: two attributes are named '{min(twice)}'" if min(twice) else f"{path}: an attribute has no name"
        )
    seen: dict[str, int] = {}
    for line, cells in rows:
        if len(cells) != 1 + len(names):
            raise UserError(
                f"{path}: line {line}: a name and {len(names)} values are expected, as the line of names has; "
                f"found {len(cells)} in all"
            )
        if not cells[0]:
            raise UserError(f"{path}: line {line}: the picture's name is missing")
        if cells[0] in seen:
            raise UserError(f"{path}: lines {seen[cells[0]]} and {line} are both of '{cells[0]}': keep one of them")
        seen[cells[0]] = line


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # what is none is told below
    except (TypeError, ValueError):
        return np.nan
