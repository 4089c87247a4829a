"""A Slurm for all tests of this folder, and the project with a budget that has every rule and little work."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest

from tests.cluster import local_slurm
from tests.cluster.local_slurm import LocalSlurm
from tests.pipeline.conftest import Project, fresh, numbers, tiny_toy2d

__all__ = ["fresh", "numbers"]  # fixtures

BUDGET = f"""{tiny_toy2d("icfm, identity", "gaussian_8gaussians")}\
  objective:
    methods: [icfm]
    datasets: [gaussian_8gaussians]
    seeds: [42]
    sizes: {{train: 300, val: 50, test: 60, test_large: 80}}
    objective: {{batch_size: 32, batches: 2, points: 16, times: 2}}
"""
NAMES = "toy2d objective"
# Polling and waiting for files as befits seconds on one disk, not hours on a cluster's.
PROFILE = {
    "slurm-init-seconds-before-status-checks: 20": "slurm-init-seconds-before-status-checks: 1",
    "latency-wait: 60": "latency-wait: 5",
}


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSlurm]:
    """A running Slurm."""
    reason = local_slurm.why_not()
    if reason:
        pytest.skip(f"no Slurm can be started: {reason}")
    local_slurm.install()
    running = LocalSlurm(tmp_path_factory.mktemp("slurm"))
    for folder in (running.folder, *running.folder.parents[:2]):
        folder.chmod(0o755)  # munge refuses a socket below a private folder
    try:
        running.start()
        yield running
    finally:
        for workflow in Running.started:
            if workflow.process.poll() is None:
                workflow.kill()
        running.stop()


@pytest.fixture(scope="session")
def small(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project before its first run, with the budget above."""
    project = fresh.copy(tmp_path_factory.mktemp("small") / "project")
    (project.folder / "config/budgets/smoke.yaml").write_text(BUDGET)
    for old, new in PROFILE.items():
        project.replace("workflow/profiles/slurm/config.yaml", old, new)
    return project


class Running:
    """A `cfm reproduce` of a project in a process group of its own, with what it prints."""

    started: ClassVar[list[Running]] = []

    def __init__(self, project: Project, profile: str) -> None:
        self.output = project.folder / f"{profile}-{time.monotonic_ns()}.log"
        self.log = project.folder / "results/smoke/logs/snakemake.log"
        command = ["-m", "cfm", "reproduce", "--budget", "smoke", "--experiments", NAMES, "--profile", profile]
        with open(self.output, "wb") as file:
            self.process = project.popen(*command, "--cores", "2" if profile == "local" else "all", output=file)
        self.started.append(self)

    def kill(self) -> None:
        """SIGKILL to it and its Snakemake."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self, seconds: float) -> str:
        """Wait for its end; what it has printed."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            said = self.output.read_text() + self.log.read_text()
            raise AssertionError(f"no end after {seconds} s:\n{said}") from None
        return self.output.read_text()


def until(condition: Callable[[], object], what: str, seconds: float = 600) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.2)


def jobs(state: str, rule: str = "") -> list[str]:
    """Numbers of the jobs in a state whose comment starts with a rule's name."""
    lines = local_slurm.output("squeue", "--noheader", "--states=all", "--format=%i|%T|%k").splitlines()
    fields = [line.split("|", 2) for line in lines]
    return [number for number, found, comment in fields if found == state and comment.startswith(f"rule_{rule}")]
