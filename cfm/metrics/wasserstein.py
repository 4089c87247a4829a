"""Wasserstein distances between generated and test samples: W2, un-squared and squared, and W1.

The paper's column is headed W2^2 by some accounts while the authors' code takes the root: both are reported.
"""

from __future__ import annotations

import math

from cfm.metrics.base import Evaluation, Metric
from cfm.types import flat


def w2(evaluation: Evaluation) -> float:
    """W2 = sqrt(W2^2), in data units."""
    return math.sqrt(evaluation.w2_squared)


def w2_squared(evaluation: Evaluation) -> float:
    """W2^2, in data units squared."""
    return evaluation.w2_squared


def w1(evaluation: Evaluation) -> float:
    """W1 with the Euclidean distance as its cost, in data units: the "EMD" of the paper's Table 4."""
    from cfm.couplings.exact import wasserstein_power

    return wasserstein_power(flat(evaluation.x1), flat(evaluation.target), 1)


METRICS = {
    "w1": Metric(w1, "W1 to test data", unit="data units", better="lower"),
    "w2": Metric(w2, "W2 to test data", unit="data units", better="lower"),
    "w2_squared": Metric(w2_squared, "squared W2 to test data", unit="data units²", better="lower"),
}
