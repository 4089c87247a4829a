"""Stopping a workflow stops its jobs too, those that it starts while it is being stopped included."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cfm.workflow import signals

# Starts a job every tenth of a second, whose number it prints. With `deaf` neither it nor they hear an interrupt.
WORKFLOW = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN if "deaf" in sys.argv else signal.default_int_handler)
while True:
    print(subprocess.Popen(["sleep", "60"]).pid, flush=True)
    time.sleep(0.1)
"""


@pytest.mark.parametrize("how", ["deaf", "hears"])
def test_no_job_outlives_its_workflow(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_SECONDS", 1.5)
    with open(tmp_path / "out", "w") as out:
        workflow = subprocess.Popen([sys.executable, "-c", WORKFLOW, how], stdout=out, start_new_session=True)
    jobs: list[int] = []
    while len(jobs) < 2:
        time.sleep(0.05)
        jobs = [int(line) for line in (tmp_path / "out").read_text().splitlines()]
    before = len(jobs)
    signals.stop(workflow.pid)
    workflow.wait()
    jobs = [int(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert how == "hears" or len(jobs) > before, "it went on starting jobs"
    alive = [n for n in jobs if psutil.pid_exists(n) and psutil.Process(n).status() != psutil.STATUS_ZOMBIE]
    assert alive == []


def test_a_workflow_that_is_gone_needs_no_stopping() -> None:
    workflow = subprocess.Popen(["true"])
    workflow.wait()
    signals.stop(workflow.pid)
