"""The commands of the README, each of them run, on the budget of seconds."""

import re
import subprocess
import sys

import pytest

from tests.pipeline.conftest import ROOT, Project, environment

pytestmark = pytest.mark.pipeline

# What is not run here: the tests themselves, ten minutes of timing, another machine, an environment of one's own.
_LEFT_OUT = ("make test", "make bench", "make lint", "make reproduce PROFILE=")
_BUDGETS = re.compile(r"BUDGET=\w+")


def _commands() -> list[str]:
    """The lines of the README's indented blocks that are commands, without their comments."""
    lines = re.findall(r"^    ((?:make|\.venv/bin/python -m cfm) .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    return [line.split("#")[0].strip() for line in lines]


def test_every_command_runs(project: Project) -> None:
    commands = [line for line in _commands() if not line.startswith(_LEFT_OUT)]
    assert {line.split()[0] for line in commands} == {"make", ".venv/bin/python"} and len(commands) > 5
    python = project.folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (project.folder / ".venv/.installed").touch()
    for line in commands:
        words = _BUDGETS.sub("BUDGET=smoke", line).split()
        if words[0] == "make":
            words += [] if "BUDGET=smoke" in words else ["BUDGET=smoke"]
            words += ["EXPERIMENTS=toy2d", "CORES=2"]
        elif "--budget" not in words and words[3] not in ("list", "new-method"):
            words += ["--budget", "smoke"]
        done = subprocess.run(words, cwd=project.folder, capture_output=True, text=True, env=environment())
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
