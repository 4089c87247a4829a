"""What Snakemake tells the command that started it: its log events, one JSON object per line of a pipe."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from typing import Any

PIPE = "CFM_EVENTS"  # the environment variable with the descriptor's number


def tell() -> None:
    """Send the events of this process through the pipe, if its parent has handed it one. No job inherits the pipe."""
    descriptor = os.environ.pop(PIPE, None)
    if descriptor is not None:
        os.set_inheritable(int(descriptor), False)
        # Snakemake takes all handlers from its own logger when it starts, and leaves those of the one above.
        logging.getLogger("snakemake").addHandler(_Teller(int(descriptor)))


class _Teller(logging.Handler):
    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.pipe = open(descriptor, "w", encoding="ascii")  # noqa: SIM115

    def emit(self, record: logging.LogRecord) -> None:
        try:
            told = summary(record)
            if told:
                print(json.dumps(told, default=str), file=self.pipe, flush=True)
        except OSError:  # nobody reads any more, and the workflow goes on
            pass
        except Exception:  # as every handler: a field that another version lacks must not end the workflow
            self.handleError(record)


def summary(record: logging.LogRecord) -> dict[str, Any]:
    """What a record has to say: what Snakemake is at, how many jobs there are or are done, which job begins (in a dry
    run: would), ends or failed, or the text of another error."""
    found, event = record.__dict__, record.__dict__.get("event")
    if event == "workflow_started":  # all rules are read; which jobs they make is found out next
        return {"phase": "planning"}
    if event == "run_info":  # not sent when there is nothing to do
        return {"done": 0, "total": found["stats"]["total"]}
    if event == "progress":
        return {"done": found["done"], "total": found["total"]}
    if event == "job_info":
        job = {"rule": found["rule_name"], "message": found["rule_msg"] or "", "threads": found["threads"]}
        return {"begun": found["jobid"], "job": job | {"wildcards": found["wildcards"], "output": found["output"]}}
    if event == "job_finished":
        return {"ended": found["job_id"]}
    if event == "job_error":
        message = {"message": found["rule_msg"]} if found["rule_msg"] else {}
        facts = {**message, "log": ", ".join(found["log"]), **found["aux"]}
        failure = {"rule": found["rule_name"], "facts": facts, "logs": found["log"], "command": found["shellcmd"]}
        return {"ended": found["jobid"], "failure": failure}
    return {"error": record.getMessage()} if event == "error" and not _of_a_command() else {}


def _of_a_command() -> bool:
    """Whether the exception that is being logged is a job's command that failed: its `job_error` follows."""
    error = sys.exc_info()[1]
    return error is not None and isinstance(error.__context__, subprocess.CalledProcessError)
