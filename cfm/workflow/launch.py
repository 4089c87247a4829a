"""Starting Snakemake, with its events coming through a pipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cfm.workflow import events

PROFILES = Path("workflow/profiles")


def command(profile: str, arguments: Sequence[str]) -> list[str]:
    """Snakemake with a profile of this project; without its lock, since `make reproduce` holds one for each budget."""
    module = [sys.executable, "-m", "cfm.workflow.snakemake_cli"]
    return [*module, "--workflow-profile", str(PROFILES / profile), "--nolock", *arguments]


def start(
    command: Sequence[str], see: Callable[[dict[str, Any]], None], inherited: Sequence[int] = ()
) -> tuple[subprocess.Popen[str], threading.Thread]:
    """The process, with its output to be read, and the thread that hands its events to `see` until the last.

    `inherited`: descriptors of open files that it and its jobs keep.
    """
    read, write = os.pipe()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", events.PIPE: str(write)}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    process = subprocess.Popen(
        [*command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
        pass_fds=(write, *inherited),
    )  # fmt: skip
    os.close(write)
    listener = threading.Thread(target=listen, args=(read, see), daemon=True)
    listener.start()
    return process, listener


def finish(command: Sequence[str], see: Callable[[dict[str, Any]], None]) -> tuple[int, list[str]]:
    """Run it to its end: its exit code and the lines that it printed."""
    process, listener = start(command, see)
    output, _ = process.communicate()
    listener.join()
    return process.returncode, output.splitlines()


def listen(pipe: int, see: Callable[[dict[str, Any]], None]) -> None:
    """Hand over every event that comes through the pipe, to its end."""
    with open(pipe, encoding="ascii") as lines:
        for line in lines:
            if line.endswith("\n"):  # else the sender was killed in the middle
                see(json.loads(line))
