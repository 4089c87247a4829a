"""Every metric by name; a metric is an entry of `METRICS` in a file here.

In `runs.csv` the name of a metric on the large test set ends in `_large`: that is known here and nowhere else.
"""

import importlib
from collections.abc import Iterable
from pathlib import Path

from cfm.metrics.base import Metric

LARGE = "_large"
TEST_SETS = {"test": "", "test_large": LARGE}  # what the name of a metric ends in on each

FILES = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py") if path.stem != "base")
METRICS: dict[str, Metric] = {
    name: metric for file in FILES for name, metric in importlib.import_module(f"cfm.metrics.{file}").METRICS.items()
}


def plain(name: str) -> str:
    """The name of a metric whatever the test set."""
    return name.removesuffix(LARGE)


def is_large(name: str) -> bool:
    """Is it measured on the large test set?"""
    return name.endswith(LARGE)


def names(metrics: Iterable[str]) -> list[str]:
    """The names of some metrics on all test sets."""
    metrics = [*metrics]
    return [*metrics, *(f"{name}{LARGE}" for name in metrics if METRICS[name].per_test_set)]


def metric_of(name: str) -> Metric:
    """The metric behind a name."""
    return METRICS[plain(name)]


def metric_label(name: str) -> str:
    """The words for such a name, in headings and at axes."""
    return metric_of(name).label + (", large set" if is_large(name) else "")
