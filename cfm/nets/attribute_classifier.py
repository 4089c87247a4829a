"""Which codes have the attribute, by a logistic regression on the training codes of the two groups.

P(attribute | z) = 1 / (1 + exp(-(w.z + b))), with an L2 penalty |w|^2 / 2 beside the log loss summed over codes; both
groups weigh the same, however many codes they have.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from cfm.types import Points


def fitted(without: Points, having: Points) -> dict[str, Points]:
    """The arrays `classifier_weight` (dim,) and `classifier_bias` () for codes (n, dim) of the two groups."""
    from sklearn.linear_model import LogisticRegression

    codes = np.concatenate([without, having]).astype(np.float64)
    labels = np.repeat([0, 1], [len(without), len(having)])
    model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(codes, labels)
    weight, bias = model.coef_[0].astype(np.float32), model.intercept_[0].astype(np.float32)
    return {"classifier_weight": weight, "classifier_bias": np.asarray(bias)}


def has_attribute(known: Mapping[str, Points], codes: Points) -> npt.NDArray[np.bool_]:
    """Which codes (n, dim) the classifier in a data set's arrays takes for having the attribute, (n,)."""
    found: npt.NDArray[np.bool_] = codes @ known["classifier_weight"] + known["classifier_bias"] > 0
    return found
