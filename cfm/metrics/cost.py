"""What a run costs: field evaluations and seconds."""

from __future__ import annotations

from cfm.metrics.base import Evaluation, Metric


def nfe(evaluation: Evaluation) -> float:
    """Number of evaluations of the velocity field that the solver made."""
    return float(evaluation.nfe)


def sample_seconds(evaluation: Evaluation) -> float:
    """Seconds that the solver took for all points of the run."""
    return evaluation.sample_seconds


def train_seconds(evaluation: Evaluation) -> float | None:
    """Seconds of training: the seed's own couplings, and its share of its stack's steps and checks."""
    return evaluation.train_seconds


METRICS = {
    "nfe": Metric(nfe, "field evaluations", unit="evaluations", better="lower", per_test_set=False),
    "sample_seconds": Metric(sample_seconds, "sampling time", unit="s", better="lower", per_test_set=False),
    "train_seconds": Metric(train_seconds, "training time", unit="s", better="lower", per_test_set=False),
}
