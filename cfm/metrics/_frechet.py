"""The Frechet distance between sets of features, and the features that tell of a data set's pictures.

    d^2 = |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))        (Heusel et al. 2017)

between normal distributions fitted to both. In the features of Inception this is the FID; in those of any other network
it has that network's name and cannot be compared with a published FID. Fewer points than features bias it upwards.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cfm.pictures import picture_shape
from cfm.types import Floats, Points


def frechet_distance(features: Floats, others: Floats) -> float:
    """d^2 between the normal distributions fitted to two sets of features, (n, k) and (m, k)."""
    means = [x.mean(axis=0, dtype=np.float64) for x in (features, others)]
    covariances = [np.atleast_2d(np.cov(x, rowvar=False, dtype=np.float64)) for x in (features, others)]
    # The eigenvalues of S_1 S_2 are real and not negative, up to rounding.
    values = np.linalg.eigvals(covariances[0] @ covariances[1]).real.clip(min=0)
    trace = np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * np.sqrt(values).sum()
    return float(((means[0] - means[1]) ** 2).sum() + trace)


def in_colour(dim: int) -> bool:
    """Are points of so many numbers square pictures in colour?"""
    shape = picture_shape(dim)
    return shape is not None and shape[0] == 3


def of_classifier(known: Mapping[str, Points], *sets: Points) -> list[Floats] | None:
    """Floats (n, 64) of sets of pictures in the data set's own classifier; None if its arrays hold none."""
    import torch

    from cfm.nets.classifier import stored

    net = stored(known, sets[0].shape[1])
    if net is None:
        return None
    with torch.no_grad():
        return [np.asarray(net.features(torch.from_numpy(points)).numpy()) for points in sets]


def of_pictures(known: Mapping[str, Points], *sets: Points) -> list[Floats] | None:
    """Floats of the data set's classifier, else of EfficientNet-Lite0 for pictures in colour; None for the rest."""
    found = of_classifier(known, *sets)
    if found is None and in_colour(sets[0].shape[1]):
        from cfm.nets.efficientnet import features

        return [features(points) for points in sets]
    return found
