"""Reading square pictures and a binary attribute of each from files, or one line that says what is wrong with them.

npz: picture i is the JPEG `jpeg_header` + `jpeg_tail`[o[i] : o[i + 1]] with o = [0, cumsum(`tail_sizes`)]; an attribute
is an array of 0 and 1. zip with a table beside it (attribute_tables.py): the pictures that the table names, in any
folder. zip alone: every picture in it, and those in the folder of the attribute's name have it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cfm.datasets.reading.attribute_tables import as_flags, read_table
from cfm.datasets.reading.class_folders import class_folders
from cfm.datasets.reading.decoding import in_colour, square
from cfm.datasets.reading.picture_files import cannot_be_read, opened
from cfm.errors import UserError, nearest
from cfm.files import check_archive
from cfm.types import Bytes, Flags, Indices


def read_attribute(path: Path, table: Path | None, attribute: str) -> Flags:
    """Which pictures have the attribute, (n,)."""
    if table is not None:
        return read_table(table).flags(attribute)
    if path.suffix.lower() == ".zip":
        with opened(path) as archive:
            folders = class_folders(archive)
        if attribute not in folders:
            raise UserError(
                f"{path}: no folder '{attribute}' in it; {nearest(attribute, folders)} (or give the `table` that says "
                "which pictures have the attribute)"
            )
        return np.repeat([name == attribute for name in folders], [len(names) for names in folders.values()])
    values = _array(path, attribute)
    if values.ndim != 1:
        raise UserError(f"{path}: '{attribute}': a value 1 or 0 per picture is expected, found shape {values.shape}")
    return as_flags(values.tolist(), f"{path}: '{attribute}'", [f"row {k}" for k in range(len(values))])


def read_pictures(path: Path, table: Path | None, side: int, rows: Indices) -> Bytes:
    """Some pictures, cut to their largest central square and scaled, (rows, channels, side, side).

    Three channels if one of them is coloured.
    """
    zipped = table is not None or path.suffix.lower() == ".zip"
    named = _from_zip(path, table, rows) if zipped else _from_npz(path, rows)
    return stacked(path, [decoded(path, name, file, side) for name, file in named])


def decoded(path: Path, name: str, file: bytes, side: int) -> Bytes:
    """A picture of a file, (channels, side, side); `UserError` with its name if it is damaged."""
    try:
        return square(file, side)
    except Exception as error:
        raise cannot_be_read(path, error, f"picture {name} ") from error


def stacked(path: Path, squares: list[Bytes]) -> Bytes:
    """All of them, grey ones among coloured ones in colour."""
    grey = sum(len(picture) == 1 for picture in squares)
    if 0 < grey < len(squares):
        print(f"note: {path}: {grey} of {len(squares)} pictures are grey: taken as coloured ones", file=sys.stderr)
        squares = [in_colour(picture) for picture in squares]
    return np.stack(squares)


def jpeg_files(path: Path, rows: Indices) -> Iterator[bytes]:
    """Some of the JPEG files in an npz."""
    header, tail = (_array(path, name).tobytes() for name in ("jpeg_header", "jpeg_tail"))
    ends = np.concatenate([[0], np.cumsum(_array(path, "tail_sizes"))])
    if ends[-1] != len(tail) or max(rows, default=0) >= len(ends) - 1:
        raise UserError(
            f"{path}: `jpeg_tail` has {len(tail)} bytes, and the {len(ends) - 1} `tail_sizes` are {ends[-1]} in all"
        )
    for row in rows:
        yield header + tail[ends[row] : ends[row + 1]]


def _array(path: Path, name: str) -> npt.NDArray[Any]:
    try:
        check_archive(path)
        with np.load(path, allow_pickle=False) as stored:
            if name not in stored.files:
                raise UserError(f"{path}: no array '{name}'; {nearest(name, stored.files)}")
            found: npt.NDArray[Any] = stored[name]
    except UserError:
        raise
    except Exception as error:
        raise cannot_be_read(path, error) from error
    return found


def _from_npz(path: Path, rows: Indices) -> Iterator[tuple[str, bytes]]:
    for row, file in zip(rows, jpeg_files(path, rows), strict=True):
        yield f"in row {row}", file


def _from_zip(path: Path, table: Path | None, rows: Indices) -> Iterator[tuple[str, bytes]]:
    with opened(path) as archive:
        if table is None:
            places = [name for names in class_folders(archive).values() for name in names]
        else:
            places = archive.places_of(read_table(table).pictures, table)
            extra = len(archive.places) - len(places)
            if extra:
                some = f"{extra} of {len(archive.places)} files"
                print(f"note: {path}: {some} are not named in {table} and left out", file=sys.stderr)
        for row in rows:
            yield f"'{places[row]}'", archive.read(places[row])
