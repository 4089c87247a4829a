"""Pictures of classes: every class is a folder of a zip, as torchvision's ImageFolder has it on disk.

All of it may lie in further folders, and the pictures of a class may lie in folders within the one of the class.
"""

from __future__ import annotations

import sys
from collections.abc import Collection

from cfm.datasets.reading.decoding import SUFFIXES
from cfm.datasets.reading.picture_files import Zip
from cfm.errors import UserError


def class_folders(archive: Zip) -> dict[str, list[str]]:
    """The pictures in each folder, both in order of their names; `UserError` if there are fewer than two folders."""
    pictures = sorted(place for place in archive.places if place.rpartition(".")[2].lower() in SUFFIXES)
    others = [place for place in archive.places if place.rpartition(".")[2].lower() not in SUFFIXES]
    paths = [place.split("/") for place in pictures]
    inside = [path for path in paths if len(path) > 1]
    depth = 0
    while len({path[depth] for path in inside}) == 1 and any(len(path) > depth + 2 for path in inside):
        depth += 1
        inside = [path for path in inside if len(path) > depth + 1]
    folders: dict[str, list[str]] = {}
    for place, path in zip(pictures, paths, strict=True):
        if len(path) > depth + 1:
            folders.setdefault(path[depth], []).append(place)
        else:
            others.append(place)
    if len(folders) < 2:
        found = f"'{next(iter(folders))}' alone" if folders else "no picture in a folder"
        raise UserError(f"{archive.path}: a folder for each class, with its pictures, is expected in it; found {found}")
    if others:
        what = f"{len(others)} files that are no pictures in a folder of a class"
        print(f"note: {archive.path}: {what} are left out (one is '{others[0]}')", file=sys.stderr)
    return folders


def require_classes(archive: Zip, folders: dict[str, list[str]], classes: Collection[str]) -> None:
    """`UserError` with the line to write unless the folders are those of the classes."""
    if set(folders) != set(classes):
        told = ", ".join(map(_quoted, folders))
        raise UserError(
            f"{archive.path}: its folders are others than the classes of the entry; they are: classes: [{told}]"
        )


def _quoted(name: str) -> str:
    """As it is written in YAML, where yes and 7 are no text."""
    plain = name.replace("_", "").isalpha() and name.isascii() and name.lower() not in _NOT_TEXT
    return name if plain else "'" + name.replace("'", "''") + "'"


_NOT_TEXT = {"yes", "no", "true", "false", "on", "off", "y", "n", "null"}
