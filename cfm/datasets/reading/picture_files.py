"""Pictures in a zip, by their names; or one line that says what is wrong with the file or which picture is.

What computers add to a zip by themselves is left out. Names are compared with `/` between folders and in one form of
accents, and may stand in any folder: but where two places fit, none is taken.
"""

from __future__ import annotations

import contextlib
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cfm.errors import UserError
from cfm.files import check_archive

_JUNK = {".ds_store", "thumbs.db", "desktop.ini"}
_UTF8, _ENCRYPTED = 0x800, 0x1  # flags of a file in a zip


def cannot_be_read(path: Path, error: Exception, what: str = "") -> UserError:
    """The line for a file (or for `what` in it) that a library fails on."""
    why = " ".join(str(error).split())
    return UserError(f"{path}: {what}cannot be read ({type(error).__name__}{f': {why}' if why else ''})")


@dataclass(frozen=True)
class Zip:
    """An open zip: the names of its files as they are compared, each with its place or places."""

    path: Path
    archive: zipfile.ZipFile
    places: Mapping[str, list[zipfile.ZipInfo]]

    def read(self, name: str) -> bytes:
        """The content of a file; `UserError` if it cannot be had."""
        first, *others = self.places[name]
        if others:
            raise UserError(f"{self.path}: '{name}' is in it {1 + len(others)} times: keep one of them")
        if first.flag_bits & _ENCRYPTED:
            raise UserError(f"{self.path}: '{name}' is encrypted: pack the pictures without a password")
        try:
            return self.archive.read(first)
        except Exception as error:
            raise cannot_be_read(self.path, error, f"'{name}' ") from error

    def places_of(self, names: Iterable[str], told_by: Path) -> list[str]:
        """The file for each name of a table, which may leave out the folders in front.

        `UserError` if there is none, if there are two of them, or if two names are one file.
        """
        by_base: dict[str, list[str]] = {}
        for place in self.places:
            by_base.setdefault(_base(place), []).append(place)
        found: dict[str, str] = {}
        for name in names:
            place = self._place(name, by_base, told_by)
            if place in found:
                raise UserError(f"{told_by}: '{found[place]}' and '{name}' are one picture of {self.path}: '{place}'")
            found[place] = name
        return [*found]

    def _place(self, name: str, by_base: Mapping[str, list[str]], told_by: Path) -> str:
        asked = normal(name)
        candidates = by_base.get(_base(asked), [])
        if asked in self.places and ("/" in name or "\\" in name):  # ./1.jpg is the one at the top
            return asked
        fitting = [place for place in candidates if f"/{place}".endswith(f"/{asked}")]
        fitting = fitting or [place for place in candidates if f"/{place}".lower().endswith(f"/{asked}".lower())]
        if len(fitting) == 1:
            return fitting[0]
        if not fitting:
            raise UserError(f"{self.path}: no picture '{name}', which {told_by} names{self._alike(asked)}")
        first, second, *_ = (place if "/" in place else f"./{place}" for place in sorted(fitting))
        raise UserError(
            f"{self.path}: '{name}' of {told_by} may be '{first}' or '{second}': write the folder before its name there"
        )

    def _alike(self, asked: str) -> str:
        stem = asked.rpartition("/")[2].rpartition(".")[0]
        alike = (place for place in self.places if stem and place.rpartition("/")[2].rpartition(".")[0] == stem)
        found = next(alike, None)
        return "" if found is None else f"; there is '{found}'"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Zip]:
    """The zip at `path`; `UserError` if it is damaged, or unpacks to far more than it is."""
    try:
        check_archive(path)
        archive = zipfile.ZipFile(path)
    except Exception as error:
        raise cannot_be_read(path, error) from error
    places: dict[str, list[zipfile.ZipInfo]] = {}
    with archive:
        for info in archive.infolist():
            name = normal(_told(info))
            if not (info.is_dir() or name.endswith("/") or _is_junk(name)):
                places.setdefault(name, []).append(info)
        yield Zip(path, archive, places)


def normal(name: str) -> str:
    """The name as it is compared: `a\\b.jpg` and `./a/b.jpg` are `a/b.jpg`; letters with accents are one character."""
    return unicodedata.normalize("NFC", name).replace("\\", "/").removeprefix("./")


def _told(info: zipfile.ZipInfo) -> str:
    """The name; macOS writes UTF-8 without saying so, which zipfile takes for code page 437."""
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _base(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _is_junk(name: str) -> bool:
    *folders, base = name.split("/")
    return "__MACOSX" in folders or base.startswith("._") or base.lower() in _JUNK
