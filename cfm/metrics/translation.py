"""Unpaired translation: does the attribute appear, and does the face stay?"""

from __future__ import annotations

import numpy as np

from cfm.metrics.base import Evaluation, Metric
from cfm.nets.attribute_classifier import has_attribute


def attribute_share(evaluation: Evaluation) -> float | None:
    """Share of the end points that the data set's classifier takes for having the attribute."""
    if "classifier_weight" not in evaluation.known:
        return None
    return float(has_attribute(evaluation.known, evaluation.x1).mean())


def relative_change(evaluation: Evaluation) -> float:
    """Mean distance between a start and its end, divided by that between a start and the end of another.

    0: nothing moves; 1: an end has no more to do with its own start than with any other.
    """
    from scipy.spatial.distance import cdist

    distances = cdist(evaluation.x0, evaluation.x1)
    n, own = len(distances), np.trace(distances)
    return float(own / n / ((distances.sum() - own) / (n * (n - 1))))


METRICS = {
    "attribute_share": Metric(
        attribute_share, "share with attribute", unit="of samples", better="higher", per_test_set=False
    ),
    "relative_change": Metric(relative_change, "change of a picture", unit="ratio", better=None, per_test_set=False),
}
