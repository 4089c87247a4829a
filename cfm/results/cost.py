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
                        jobs += record["cpu_seconds"]
                        for kind, seconds in record["work_seconds"].items():
                            work[kind] += seconds
            except (KeyError, TypeError, ValueError, AttributeError):
                raise UserError(f"{folder / PROVENANCE}: damaged; delete it and run again") from None
    return Cost(work, jobs)


def report(config: Config, began: float, ended: float, cores: int) -> str:
    """One line per kind of work, as a share of the cores' time between two times (seconds since the epoch)."""
    # Provenance is kept to the second.
    spent = cost(config, datetime.fromtimestamp(int(began), UTC))
    total = (ended - began) * cores
    minutes, seconds = divmod(round(ended - began), 60)
    lines = [f"time: {minutes} min {seconds} s on {cores} cores"]
    shares = {text: spent.work[kind] for kind, text in _WORK.items()}
    shares["the rest of these jobs (start-up, files)"] = spent.jobs - sum(shares.values())
    shares["workflow, data, tables, figures, idle cores"] = total - spent.jobs
    lines += [f"  {share / total:6.1%}  {text}" for text, share in shares.items()]
    return "\n".join(lines)
