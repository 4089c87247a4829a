"""Snakemake's command line, with executors mended, and without its limit on jobs per second where they run here.

With the limit (on by default, 100/1s) Snakemake 9.27 starts a timer after every round of scheduling, each timer starts
a round, and every finished job one more: by the end of a budget the rounds took a sixth of a core.
"""

from __future__ import annotations

import importlib
import logging
import sys

from snakemake.cli import args_to_api, parse_args
from snakemake.exceptions import print_exception
from snakemake.logging import logger

from cfm.workflow import events

# Executors that do not fit as they are, and the modules that make them.
_MENDED = {"slurm": "cfm.workflow.slurm_executor", "kubernetes": "cfm.workflow.kubernetes_executor"}


def main(arguments: list[str]) -> int:
    """Run Snakemake with these arguments; its exit code."""
    events.tell()
    try:
        parser, parsed = parse_args(arguments)
        if parsed.executor in (None, "local"):
            parsed.max_jobs_per_timespan = None
        elif parsed.executor in _MENDED:
            importlib.import_module(_MENDED[parsed.executor]).install()
        return 0 if args_to_api(parsed, parser) else 1
    except Exception as error:
        logger.addHandler(logging.StreamHandler())  # Snakemake's own is not there yet
        print_exception(error)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
