"""Where a number comes from: code, settings, packages, machine, time and memory."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cfm.artifacts.layout import PROVENANCE
from cfm.errors import UserError
from cfm.files import read_json

_PACKAGES = ("torch", "torchdyn", "pot", "numpy", "numba", "scipy", "scikit-learn", "pandas", "snakemake")
_NEEDED: dict[str, type | tuple[type, ...]] = {
    "cpu_seconds": (int, float),
    "started": str,
    "finished": str,
    "git": dict,
    "packages": dict,
    "python": str,
    "machine": dict,
    "peak_memory_mb": int,
}


def read_provenance(run: Path) -> dict[str, dict[str, Any]]:
    """The records of the stages that a run went through, by stage; none if it is not done.

    `UserError` if they are not what `Stopwatch.record` makes.
    """
    path = run / PROVENANCE
    if not path.exists():
        return {}
    stored = read_json(path)
    # Beside the records of the stages, empty where a control has none, there are checksums, which are texts.
    records = {stage: record for stage, record in stored.items() if record and not isinstance(record, str)}
    if not all(isinstance(record, dict) and _whole(record) for record in records.values()):
        raise UserError(f"{path}: damaged; delete it and run again")
    return records


def _whole(record: dict[str, Any]) -> bool:
    return all(isinstance(record.get(name), kind) for name, kind in _NEEDED.items()) and "commit" in record["git"]


class Stopwatch:
    """Notes when a stage began and what CPU time it took, for its provenance.

    All the CPU time of a process goes to one or another of its stopwatches: from the end of the one before, or the
    start of the process, on.
    """

    _given_out = 0.0

    def __init__(self) -> None:
        self.began = datetime.now(UTC)
        self._cpu_began = Stopwatch._given_out

    def record(self, shares: int = 1, **facts: Any) -> dict[str, Any]:
        """The provenance of a stage that ends now; `facts` (device, digests, ...) are added to it.

        `cpu_seconds` is divided by `shares`, the number of runs that the stage made together.
        """
        Stopwatch._given_out = cpu_seconds()
        return {
            "cpu_seconds": round((Stopwatch._given_out - self._cpu_began) / shares, 3),
            "started": self.began.isoformat(timespec="seconds"),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "git": git_state(),
            "packages": package_versions(),
            "python": platform.python_version(),
            "machine": {
                "system": f"{platform.system()} {platform.machine()}",
                "processor": _processor(),
                "cores": os.cpu_count(),
            },
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _PER_MB),
            **facts,
        }


_PER_MB = 1024 * 1024 if sys.platform == "darwin" else 1024


def cpu_seconds() -> float:
    """CPU time of this process since its start, with that of its children which have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@functools.cache
def git_state() -> dict[str, Any]:
    """Commit and whether the working tree differs from it; null without git."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


@functools.cache
def package_versions() -> dict[str, str]:
    """Versions of the packages that decide a number."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


@functools.cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
