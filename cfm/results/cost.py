"""Where the time of the cores went: what the jobs spent on the method, on all else, and what was left over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cfm.artifacts.layout import PROVENANCE
from cfm.artifacts.provenance import read_provenance
from cfm.config import Config
from cfm.errors import UserError

# Kinds of work that the stages note in `work_seconds` of their provenance, in the words of the report.
_WORK = {
    "coupling": "couplings",
    "network": "network steps and validation",
    "ode": "ODE solves",
    "distance": "metrics (exact distances, learning curves, variances)",
}


@dataclass(frozen=True)
class Cost:
    """CPU seconds of the work by kind, and of the jobs in all."""

    work: dict[str, float]
    jobs: float


def cost(config: Config, since: datetime | None = None) -> Cost:
    """Of all stages of all runs that are done; only those begun at `since` or later, if given."""
    work, jobs = dict.fromkeys(_WORK, 0.0), 0.0
    for experiment in config.experiments:
        for folder in config.runs(experiment).values():
            try:
                for record in read_provenance(folder).values():
                    if since is None or datetime.fromisoformat(record["started"]) >= since:
                        jobs += _measured(record["cpu_seconds"])
                        for kind, seconds in record["work_seconds"].items():
                            work[kind] += _measured(seconds)
            except (KeyError, TypeError, ValueError, AttributeError):
                raise UserError(f"{folder / PROVENANCE}: damaged; delete it and run again") from None
    return Cost(work, jobs)


def _measured(seconds: float) -> float:
    if not 0 <= seconds < float("inf"):
        raise ValueError("no duration")
    return seconds


def report(config: Config, began: float, seconds: float, cores: int) -> str:
    """Where the time of the cores went in a run that began at a time (since the epoch) and took so many seconds.

    One line for each kind of work. The shares are none of them negative and add up to one, whatever was measured: what
    jobs measured is taken as it is, and the rest is what is left of the cores' time, or nothing where the jobs used
    more (threads of a library, a machine whose cores are shared).
    """
    # Provenance is kept to the second: what began in the same one may be of an earlier run, and Snakemake needs more
    # than a second before its first job.
    spent = cost(config, datetime.fromtimestamp(int(began) + 1, UTC))
    seconds = max(seconds, 0.0)
    minutes, rest = divmod(round(seconds), 60)
    first = f"time: {minutes} min {rest} s on {cores} cores"
    worked = sum(spent.work.values())
    jobs = max(spent.jobs, worked)  # the clocks of the two may differ by a little
    given = seconds * cores
    whole = max(given, jobs)
    if whole <= 0:
        return first
    shares = {text: spent.work[kind] for kind, text in _WORK.items()}
    shares["the rest of these jobs (start-up, files)"] = jobs - worked
    shares["workflow, data, tables, figures, idle cores"] = whole - jobs
    if jobs > given:
        first += f"; its jobs used {jobs:.0f} s of CPU time, more than these cores have: shares are of that"
    return "\n".join([first, *(f"  {share / whole:6.1%}  {text}" for text, share in shares.items())])
