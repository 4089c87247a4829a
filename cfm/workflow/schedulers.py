"""What a profile needs of the machine that submits: refused before anything is written where it is not there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cfm.errors import UserError
from cfm.workflow import slurm

_SLURM = ("sbatch", "squeue", "scancel", "scontrol")  # what Snakemake's executor and cfm/workflow/slurm.py run
_IN_A_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_SEPARATORS = re.compile(r"[;&|(]+")


def require(name: str, profile: Mapping[str, Any]) -> None:
    """`UserError` if the machine lacks what the profile `name` submits its jobs with."""
    problem = lacking(profile)
    if problem:
        raise UserError(f"PROFILE={name}: {problem}, or leave PROFILE out to run on this machine")


def lacking(profile: Mapping[str, Any]) -> str | None:
    """What is missing here and what to do, as the first half of a sentence; None if nothing is."""
    executor = profile.get("executor", "local")
    if executor == "local":
        return None
    if find_spec(f"snakemake_executor_plugin_{executor.replace('-', '_')}") is None:
        how = "-r envs/kubernetes.txt" if executor == "kubernetes" else f"snakemake-executor-plugin-{executor}"
        return f"Snakemake's executor '{executor}' is not installed: `.venv/bin/pip install {how}`"
    missing = [command for command in dict.fromkeys(_commands(profile)) if not _known(command)]
    if missing:
        names = ", ".join(f"`{command}`" for command in missing)
        return f"there is no {names} here: run this on a machine that submits jobs (a cluster's login node)"
    if executor == "kubernetes" and not (_kubeconfig() or _IN_A_POD.exists()):
        return "there is no kubeconfig (~/.kube/config, or $KUBECONFIG), and this is no pod: give one"
    return None


def _commands(profile: Mapping[str, Any]) -> Iterator[str]:
    """The programs that submitting, asking and cancelling start."""
    if profile.get("executor") == "slurm":
        yield from _SLURM
    for key in ("submit", "status", "cancel"):
        yield from programs(str(profile.get(f"cluster-generic-{key}-cmd", "")))
    if slurm.used_by(profile):
        yield from ("squeue", "scancel")  # by which the jobs of a killed run are found and ended


def programs(command: str) -> Iterator[str]:
    """What a line of shell starts, as far as it is spelled out in it: programs, and words of the shell."""
    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split, words.commenters = True, ""
    begins = True
    try:
        for word in words:
            if _SEPARATORS.fullmatch(word):
                begins = True
            elif begins and not re.match(r"\w+=", word):
                begins = False
                if not re.search(r"[${}]", word):
                    yield word
    except ValueError:  # a quote without its end: for the shell to say
        return


def _kubeconfig() -> bool:
    named = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube/config")
    return any(Path(path).is_file() for path in named.split(os.pathsep) if path)


def _known(command: str) -> bool:
    """Is it a program that can be found, or a word of the shell?"""
    return subprocess.run(["/bin/sh", "-c", 'command -v "$1"', "sh", command], capture_output=True).returncode == 0
