"""Snakemake's Slurm executor, made to outlive an outage of Slurm, or to end and say why.

By itself it forgets its jobs and waits for ever when it asks for their states while the controller or
the accounting is away, fails every job that becomes ready meanwhile, and waits for ever for a job that Slurm has lost.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

from snakemake_executor_plugin_slurm import Executor
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

_PLUGIN = "snakemake-executor-plugin-slurm"
_READ = "2.8.0"  # the version whose code this mends; another may do things otherwise
_LIMIT = 1800  # seconds without an answer until the workflow ends
_PAUSE = 5


class PatientExecutor(Executor):
    """Keeps every job that was neither reported as finished nor as failed."""

    def __init__(self, workflow: Any, logger: Any) -> None:
        self._reported: set[int] = set()
        self._unlisted: set[str] = set()
        self._answered = time.monotonic()
        self._over = threading.Event()
        super().__init__(workflow, logger)  # starts the thread that asks

    def report_job_success(self, job_info: Any) -> None:
        """The job has finished."""
        self._reported.add(id(job_info))
        super().report_job_success(job_info)

    def report_job_error(self, job_info: Any, *arguments: Any, **named: Any) -> None:
        """The job has failed."""
        self._reported.add(id(job_info))
        super().report_job_error(job_info, *arguments, **named)

    def run_job(self, job: Any) -> None:
        """Submit a job, not before the controller is there."""
        deadline = time.monotonic() + _LIMIT
        while _output("scontrol", "ping") is None and time.monotonic() < deadline:
            if self._over.wait(_PAUSE):
                return
        super().run_job(job)

    def shutdown(self) -> None:
        """End, without waiting for jobs that wait for the controller."""
        self._over.set()
        super().shutdown()

    async def check_active_jobs(self, active_jobs: list[Any]) -> AsyncIterator[Any]:
        """Yield the jobs that are not over yet; `WorkflowError` after half an hour without an answer."""
        self._reported.clear()
        active = [job async for job in super().check_active_jobs(active_jobs)]
        seen = self._reported | {id(job) for job in active}
        forgotten = [job for job in active_jobs if id(job) not in seen]
        if not forgotten:
            self._answered = time.monotonic()
            lost = await asyncio.to_thread(self._lost, active)
        else:
            lost = []
            self.next_seconds_between_status_checks = _PAUSE
            silent = time.monotonic() - self._answered
            self.logger.warning(f"Slurm has not answered for {silent:.0f} s; asking again.")
            if silent > _LIMIT:
                raise WorkflowError(
                    f"Slurm has not answered for {silent / 60:.0f} minutes. Its jobs may still run; "
                    "when it is back, `make reproduce` ends them and goes on."
                )
        for job in lost:
            self.report_job_error(job, msg=f"Slurm does not know job {job.external_jobid} any more.")
        for job in active + forgotten:
            if job not in lost:
                yield job

    def _lost(self, active: list[Any]) -> list[Any]:
        """Jobs that the controller has not listed twice in a row, where nobody else could know of them."""
        if self.get_status_command() != "squeue" or not active:
            return []
        listed = _output("squeue", "--noheader", "--states=all", f"--name={self.run_uuid}", "--format=%i")
        if listed is None:
            return []
        unlisted = {job.external_jobid for job in active} - set(listed.split())
        lost = [job for job in active if job.external_jobid in unlisted & self._unlisted]
        self._unlisted = unlisted
        return lost


def install() -> None:
    """Put it in the plugin's place; any other version of the plugin stays as it is, with a line on stderr."""
    found = version(_PLUGIN)
    if found != _READ:
        print(f"{_PLUGIN} {found} is used as it is: only {_READ} is made to outlive an outage here", file=sys.stderr)
        return
    ExecutorPluginRegistry().plugins["slurm"].executor = PatientExecutor


def _output(*command: str) -> str | None:
    """What the command prints; None if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None
