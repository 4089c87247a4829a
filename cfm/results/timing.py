"""Seconds are no property of a method alone: what is known of the machine while they were taken."""

from __future__ import annotations

from cfm.config import Config
from cfm.metrics import metric_of

FILE = "seconds.txt"  # beside the results of a budget: what is to be known before seconds are read


def warning(config: Config, metric: str) -> str | None:
    """What is to be known of the seconds of a budget's runs; None where nothing is, or the metric is none of time."""
    path = config.layout.root / FILE
    if metric_of(metric).unit != "s" or not path.exists():
        return None
    return " ".join(path.read_text(encoding="utf-8").split())
