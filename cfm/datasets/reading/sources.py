"""Files that data sets are read from: where they are looked for, how they are downloaded, how they are checked."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cfm.errors import UserError
from cfm.files import atomic
from cfm.fingerprint import digest, file_digest

if TYPE_CHECKING:
    from cfm.datasets.base import Dataset

_TIMEOUT = 10  # seconds to connect, and without a byte
_BLOCK = 1 << 20
_AGENT = "Mozilla/5.0 (compatible; cfm-benchmark)"  # some archives refuse Python's own
_EVERY_SECONDS = 5
_silent_hosts: set[str] = set()  # those that did not answer this process: not asked twice


class Unreachable(UserError):
    """A download that cannot be had now; what needs it is skipped."""


def cache() -> Path:
    """Where downloads go: the folder CFM_CACHE, `data` of the project by default."""
    return Path(os.environ.get("CFM_CACHE") or "data")


@dataclass(frozen=True)
class Source:
    """A file by its name, with its checksum and where it can be downloaded, if that is known."""

    file: str
    sha256: str | None = None
    url: str | None = None

    def find(self) -> Path | None:
        """The file in the folder CFM_DATA, in the cache, or where its name says; None if it is nowhere.

        What ends in .zarr may be a folder.
        """
        folders = [Path(folder) for folder in (os.environ.get("CFM_DATA"), cache(), ".") if folder]
        paths = [folder / self.file for folder in folders]
        return next((path for path in paths if path.is_file() or (path.is_dir() and self._may_be_folder)), None)

    @property
    def _may_be_folder(self) -> bool:
        return Path(self.file).suffix.lower() == ".zarr"

    def unavailable_reason(self) -> str | None:
        """Why the file cannot be read, in one line that says where to get it and to put it; None if it is there."""
        if self.find():
            return None
        known = f" (sha256 {self.sha256})" if self.sha256 else ""
        place = f"put it at {cache() / self.file} or into the folder CFM_DATA"
        if self.url:
            return f"{self.file}{known} is not there: `python -m cfm fetch` downloads it from {self.url}, or {place}"
        return f"{self.file}{known} is not there: {place}"

    def stamp(self) -> str | None:
        """What changes when a file without a checksum is changed, or one in a folder."""
        path = self.find()
        if self.sha256 or path is None:
            return None
        if path.is_dir():
            return digest(" ".join(f"{file.relative_to(path)}: {_state(file)}" for file in sorted(path.rglob("*"))))
        return _state(path)

    def verified(self) -> Path:
        """The file; `UserError` if it is not there or has another checksum."""
        path, reason = self.find(), self.unavailable_reason()
        if path is None:
            raise UserError(str(reason))
        if self.sha256:
            if path.is_dir():
                raise UserError(f"{path}: sha256: a folder has none: leave it out, or name a file")
            self._check(path, file_digest(path))
        return path

    def fetch(self) -> None:
        """Download the file into the cache: whole and with the right checksum, or not at all."""
        if self.find() or not self.url:
            return
        from http.client import HTTPException  # here, since the check of the configuration is to be quick

        place = Path(self.file)
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise UserError(f"{self.file}: url: an address that begins with http:// or https:// is expected")
        if place.is_absolute() or ".." in place.parts:
            raise UserError(
                f"{self.file}: file: what is downloaded goes into {cache()}: a name without '..' is expected"
            )
        host = urlsplit(self.url).netloc
        if host in _silent_hosts:
            raise Unreachable(f"{self.file}: not downloaded: {host} did not answer")
        try:
            self._download(self.url, host)
        except (OSError, HTTPException) as error:
            cause = getattr(error, "reason", None)
            if isinstance(cause, OSError) or isinstance(error, TimeoutError):  # no answer, rather than one like 404
                _silent_hosts.add(host)
            text = cause if isinstance(cause, OSError) else error
            raise Unreachable(f"{self.file}: not downloaded from {self.url}: {text}") from None

    def _download(self, url: str, host: str) -> None:
        import hashlib
        from urllib.request import Request, urlopen

        request, sha256, size, shown = Request(url, headers={"User-Agent": _AGENT}), hashlib.sha256(), 0, time.time()
        with urlopen(request, timeout=_TIMEOUT) as answer, atomic(cache() / self.file) as temporary:
            whole = int(answer.headers.get("Content-Length") or 0)
            print(f"downloading {self.file} ({_megabytes(whole)}) from {host}", file=sys.stderr, flush=True)
            with open(temporary, "wb") as file:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    sha256.update(block)
                    size += len(block)
                    if time.time() - shown > _EVERY_SECONDS:
                        shown = time.time()
                        print(f"  {_megabytes(size)} of {_megabytes(whole)}", file=sys.stderr, flush=True)
            if whole and size != whole:
                raise OSError(f"the connection ended after {size} of {whole} bytes")
            self._check(url, sha256.hexdigest())

    def _check(self, place: object, found: str) -> None:
        if self.sha256 and found != self.sha256:
            raise UserError(f"{place}: another or a damaged file: its sha256 is {found}, expected {self.sha256}")


def _state(path: Path) -> str:
    state = path.stat()
    return f"{state.st_size} bytes, {state.st_mtime_ns}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size else "? MB"


def fetch_all(datasets: Iterable[Dataset]) -> int:
    """Download what the data sets lack; 2 if a file has a wrong checksum. Says in a line what could not be had."""
    code = 0
    lacking = {dataset.unavailable_reason(): dataset for dataset in datasets}  # one per file: they say the same of it
    for reason, dataset in lacking.items():
        if reason is None:
            continue
        try:
            dataset.fetch()
        except Unreachable as error:
            print(f"warning: {error}", file=sys.stderr)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            code = 2
    return code
