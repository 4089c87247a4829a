"""Python packages for one external method alone, beside those of the project."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cfm.datasets.reading.sources import cache
from cfm.errors import RunFailed, UserError
from cfm.files import locked


def install(requirements: Path) -> Path:
    """The folder with the packages of a requirements file, pinned with checksums; installed by pip the first time.

    What they depend on is not installed: the file names all that the project lacks. `RunFailed` if they cannot be had.
    """
    try:
        text = requirements.read_bytes()
    except OSError as error:
        raise UserError(f"{requirements}: cannot be read ({error.strerror})") from None
    name = hashlib.sha256(text + sys.version.encode()).hexdigest()[:12]
    folder = (cache() / "packages" / f"{requirements.stem}-{name}").absolute()
    with locked(folder.parent / ".lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as unfinished:
                _pip(requirements, Path(unfinished) / "packages")
                os.replace(Path(unfinished) / "packages", folder)
    return folder


def _pip(requirements: Path, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--retries", "1", "--timeout", "15"]
    command += ["--target", str(target), "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
        raise RunFailed(f"{requirements}: cannot be installed: {said[-1].removeprefix('ERROR: ')}")
