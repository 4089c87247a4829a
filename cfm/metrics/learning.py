"""How fast a method learns, in one number."""

from __future__ import annotations

from cfm.metrics.base import Evaluation, Metric


def learning_w2(evaluation: Evaluation) -> float | None:
    """Validation W2 averaged over the training, on a logarithmic axis of steps (cfm/training/learning_curve.py)."""
    return evaluation.learning_w2


METRICS = {
    "learning_w2": Metric(
        learning_w2, "W2 to validation data, mean over training", unit="data units", better="lower", per_test_set=False
    )
}
