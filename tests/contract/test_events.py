"""What Snakemake logs arrives as events in the pipe, which no job inherits and nobody has to read."""

import json
import logging
import os
import subprocess
from collections.abc import Iterator

import pytest
from snakemake.exceptions import RuleException, WorkflowError, print_exception
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from cfm.workflow.events import PIPE, tell

PROGRESS = {"event": LogEvent.PROGRESS, "done": 1, "total": 7}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The end of a pipe where the events arrive, until the test closes it."""
    read, write = os.pipe()
    monkeypatch.setenv(PIPE, str(write))
    above = logging.getLogger("snakemake")
    before = [*above.handlers]
    monkeypatch.setattr(logger, "level", logging.INFO)
    tell()
    yield read
    (ours,) = set(above.handlers) - set(before)
    above.removeHandler(ours)


def test_progress_failing_jobs_and_errors_are_told_and_all_else_is_left_to_the_log(told: int) -> None:
    logger.info("Workflow has started!", extra={"event": LogEvent.WORKFLOW_STARTED})
    logger.info("Building DAG of jobs...")
    logger.info("Job stats", extra={"event": LogEvent.RUN_INFO, "stats": {"train": 6, "total": 7}})
    logger.info(None, extra=PROGRESS)
    rule = {"jobid": 4, "rule_name": "train", "rule_msg": None, "log": ["a.log"], "shellcmd": "make"}
    begun = {"wildcards": {"method": "icfm"}, "output": ["a", "b"], "threads": 2}
    logger.info("Job 4", extra={"event": LogEvent.JOB_INFO, **rule, **begun, "rule_msg": "train a"})
    job = {"event": LogEvent.JOB_ERROR, **rule}
    logger.error("Error in rule train", extra={**job, "aux": {"external_jobid": "7"}})
    logger.error("Error in rule train", extra={**job, "rule_msg": "TIMEOUT", "aux": {}})
    logger.info("Finished jobid: 5", extra={"event": LogEvent.JOB_FINISHED, "job_id": 5})
    logger.error("Exiting because a job execution failed.")
    _print_failed_command()
    print_exception(WorkflowError("no luck"))
    failure = {"rule": "train", "logs": ["a.log"], "command": "make"}
    assert [json.loads(line) for line in os.read(told, 65536).splitlines()] == [
        {"phase": "planning"},
        {"done": 0, "total": 7},
        {"done": 1, "total": 7},
        {"begun": 4, "job": {"rule": "train", "message": "train a", **begun}},
        {"ended": 4, "failure": {**failure, "facts": {"log": "a.log", "external_jobid": "7"}}},
        {"ended": 4, "failure": {**failure, "facts": {"message": "TIMEOUT", "log": "a.log"}}},
        {"ended": 5},
        {"error": "WorkflowError:\nno luck"},
    ]
    os.close(told)


def _print_failed_command() -> None:
    """As the local executor does for a job whose command has failed."""
    try:
        try:
            subprocess.run(["false"], check=True)
        except subprocess.CalledProcessError as error:
            raise RuleException(str(error))  # noqa: B904
    except RuleException as error:
        print_exception(error)


def test_jobs_get_neither_the_pipe_nor_its_number(told: int) -> None:
    (teller,) = (h for h in logging.getLogger("snakemake").handlers if hasattr(h, "pipe"))
    assert not os.get_inheritable(teller.pipe.fileno()) and PIPE not in os.environ
    tell()  # a second time, as a Snakemake in a job: there is no pipe for it
    assert sum(hasattr(h, "pipe") for h in logging.getLogger("snakemake").handlers) == 1
    os.close(told)


def test_a_parent_that_is_gone_stops_nothing(told: int, capfd: pytest.CaptureFixture[str]) -> None:
    os.close(told)
    for _ in range(2):
        logger.info(None, extra=PROGRESS)
    assert capfd.readouterr().err == ""
