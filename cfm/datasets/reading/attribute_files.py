"""Reading square pictures and a binary attribute of each from files, or one line that says what is wrong with them.

npz: picture i is the JPEG `jpeg_header` + `jpeg_tail`[o[i] : o[i + 1]] with o = [0, cumsum(`tail_sizes`)]; an attribute
is an array of 0 and 1. zip: JPEG files in any folder, and beside it CelebA's table of attributes: the number of
pictures, the names of the attributes, and a line per picture, its file name and a 1 or -1 for every attribute.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from cfm.errors import UserError, nearest
from cfm.files import check_archive
from cfm.types import Bytes, Flags, Indices


def read_attribute(path: Path, table: Path | None, attribute: str) -> Flags:
    """Which pictures have the attribute, (n,)."""
    if table is None:
        values, off = _array(path, attribute), 0
    else:
        names, rows = _read_table(table)
        if attribute not in names:
            raise UserError(f"{table}: no attribute '{attribute}'; {nearest(attribute, names)}")
        values, off = np.array([row[1 + names.index(attribute)] for row in rows]).astype(int), -1
    if values.ndim != 1 or not np.isin(values, (off, 1)).all():
        raise UserError(f"{table or path}: '{attribute}': a value {off} or 1 per picture is expected")
    flags: Flags = values == 1
    return flags


def read_pictures(path: Path, table: Path | None, side: int, rows: Indices) -> Bytes:
    """Some pictures, cut to their largest central square and scaled, (rows, channels, side, side)."""
    try:
        files = jpeg_files(path, rows) if table is None else _from_zip(path, table, rows)
        squares = [_square(file, side) for file in files]
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: cannot be read ({type(error).__name__}: {' '.join(str(error).split())})") from error
    if len({square.shape for square in squares}) != 1:
        raise UserError(f"{path}: pictures that are all grey or all coloured are expected")
    return np.stack(squares)


def _array(path: Path, name: str) -> npt.NDArray[Any]:
    check_archive(path)
    with np.load(path, allow_pickle=False) as stored:
        if name not in stored.files:
            raise UserError(f"{path}: no array '{name}'; {nearest(name, stored.files)}")
        found: npt.NDArray[Any] = stored[name]
    return found


def jpeg_files(path: Path, rows: Indices) -> Iterator[bytes]:
    """Some of the JPEG files in an npz."""
    header, tail = (_array(path, name).tobytes() for name in ("jpeg_header", "jpeg_tail"))
    ends = np.concatenate([[0], np.cumsum(_array(path, "tail_sizes"))])
    for row in rows:
        yield header + tail[ends[row] : ends[row + 1]]


def _from_zip(path: Path, table: Path, rows: Indices) -> Iterator[bytes]:
    files = _read_table(table)[1]
    with zipfile.ZipFile(path) as archive:
        places = {name.rpartition("/")[2]: name for name in archive.namelist()}
        for row in rows:
            file = files[row][0]
            if file not in places:
                raise UserError(f"{path}: no picture '{file}', which {table} names")
            yield archive.read(places[file])


def _read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """The names of the attributes, and the cells of every picture's line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    names, rows = " ".join(lines[1:2]).split(), [line.split() for line in lines[2:] if line.strip()]
    if not rows or lines[0].strip() != str(len(rows)) or any(len(row) != 1 + len(names) for row in rows):
        raise UserError(f"{path}: a number of pictures, a line of names and so many lines of values are expected")
    return names, rows


def _square(file: bytes, side: int) -> Bytes:
    with Image.open(io.BytesIO(file)) as picture:
        edge = min(picture.size)
        left, top = ((length - edge) / 2 for length in picture.size)
        box = (left, top, left + edge, top + edge)
        pixels = np.asarray(picture.resize((side, side), Image.Resampling.BOX, box))
    return np.moveaxis(np.atleast_3d(pixels), -1, 0)
