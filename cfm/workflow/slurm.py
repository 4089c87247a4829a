"""Jobs in Slurm: how those of one checkout and budget are named, listed, and ended when their workflow was killed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfm.errors import UserError
from cfm.files import write_text
from cfm.fingerprint import digest

_SECONDS_TO_END = 120
# The executor asks every three minutes at most; a finished job must still be known then.
_SECONDS_TO_REMEMBER = 200


@dataclass(frozen=True)
class Job:
    """A job that waits or runs: its number, its state in Slurm's words, the rule and wildcards."""

    number: str
    state: str
    rule: str

    @property
    def waits(self) -> bool:
        """Has it not begun?"""
        return self.state in ("PENDING", "CONFIGURING")


def rule(stage: str, job: str, dataset: str, method: str) -> str:
    """How Snakemake's executor describes a chunk of runs (`Config.job`) in a job's comment."""
    return f"rule_{stage}_{job}_wildcards_{dataset}_{method}"


def used_by(profile: Mapping[str, Any]) -> bool:
    """Does a profile with these settings send jobs to Slurm?"""
    return profile.get("executor") == "slurm" or "sbatch" in profile.get("cluster-generic-submit-cmd", "")


def name_of(root: Path) -> str:
    """The name that all jobs of this budget of this checkout start with."""
    return f"cfm-{root.name}-{digest(str(root.resolve()))[:8]}"


def require_answer() -> None:
    """`UserError` if Slurm does not answer."""
    _ask("squeue", "--noheader", f"--user={os.getuid()}")


def claim(root: Path) -> None:
    """Note, until `release`, that jobs of this budget may be in Slurm."""
    write_text(_marker(root), f"{name_of(root)}\n")


def release(root: Path) -> None:
    """No job is left."""
    _marker(root).unlink(missing_ok=True)


def release_if_over(root: Path) -> None:
    """After a workflow that failed: no note is left that blocks other runs, where Slurm says that no job is."""
    with contextlib.suppress(UserError):
        if jobs(root) == []:
            release(root)


def jobs(root: Path) -> list[Job] | None:
    """The jobs of this budget that wait or run; None, without asking, if it was not sent to Slurm.

    `UserError` if Slurm does not answer.
    """
    if not _marker(root).exists():
        return None
    try:
        lines = _ask("squeue", "--noheader", f"--user={os.getuid()}", "--format=%i|%T|%j|%k").splitlines()
    except UserError as error:
        raise UserError(
            f"{_marker(root)}: jobs of an earlier run with PROFILE=slurm may be in Slurm, and {error}; if none is "
            f"left, or that Slurm is gone: `rm {_marker(root)}`"
        ) from None
    name = _marker(root).read_text(encoding="utf-8", errors="replace").strip() or name_of(root)
    fields = [line.split("|", 3) for line in lines]
    return [Job(number, state, rule) for number, state, title, rule in fields if title.startswith(f"{name}_")]


def cancel_left(root: Path) -> int:
    """End the jobs that a killed workflow has left behind, and wait until none writes any more; how many they were.

    `UserError` if Slurm does not answer or the jobs do not end.
    """
    left = jobs(root) or []
    if left:
        _ask("scancel", *(job.number for job in left))
    deadline = time.monotonic() + _SECONDS_TO_END
    while remaining := jobs(root) if left else []:
        if time.monotonic() > deadline:
            numbers = " ".join(job.number for job in remaining)
            raise UserError(f"jobs of an earlier `make reproduce` do not end: `scancel {numbers}`, then run again")
        time.sleep(1)
    release(root)
    return len(left)


def options(name: str) -> list[str]:
    """What Snakemake's Slurm executor must be told: the jobs' name, and whom to ask where nobody keeps accounts.

    By itself it asks `sacct` wherever there is such a command, and waits for ever if that has nothing to say.
    """
    found = ["--slurm-jobname-prefix", name]
    settings = dict(re.findall(r"^(\w+)\s*= (.*)$", _ask("scontrol", "show", "config"), re.MULTILINE))
    kept = settings.get("AccountingStorageType") not in ("accounting_storage/none", "(null)", None)
    if kept and shutil.which("sacct"):
        return found
    remembered = int(settings["MinJobAge"].split()[0])
    if remembered < _SECONDS_TO_REMEMBER:
        raise UserError(
            f"this Slurm keeps no accounts and forgets a finished job after {remembered} s (MinJobAge): ask for "
            f"{_SECONDS_TO_REMEMBER} s or more, or for accounting"
        )
    return [*found, "--slurm-status-command", "squeue"]


def _marker(root: Path) -> Path:
    return root / ".slurm"


def _ask(command: str, *arguments: str) -> str:
    try:
        done = subprocess.run([command, *arguments], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        raise UserError(f"there is no `{command}` here: run this where jobs are submitted") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"Slurm does not answer (`{command}` took more than a minute): try again later") from None
    if done.returncode != 0:
        words = " ".join((done.stderr or done.stdout).split())
        raise UserError(f"Slurm does not answer (`{command}`: {words}): try again later")
    return done.stdout
