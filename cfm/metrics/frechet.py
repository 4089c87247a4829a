"""The Frechet distance between sets of features, and what networks trained on real pictures say of generated ones.

    d^2 = |m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))        (Heusel et al. 2017)

between normal distributions fitted to both. In the features of Inception this is the FID; in those of any other network
it has that network's name and cannot be compared with a published FID. Fewer points than features bias it upwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from cfm.metrics.base import Evaluation, Metric
from cfm.pictures import picture_shape
from cfm.types import Floats, Points

if TYPE_CHECKING:
    from cfm.nets.classifier import Classifier


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
    """Features (n, 64) of sets of pictures in the data set's own classifier; None if its arrays hold none."""
    import torch

    from cfm.nets.classifier import stored

    net = stored(known, sets[0].shape[1])
    if net is None:
        return None
    with torch.no_grad():
        return [np.asarray(net.features(torch.from_numpy(points)).numpy()) for points in sets]


def of_pictures(known: Mapping[str, Points], *sets: Points) -> list[Floats] | None:
    """Features of the data set's classifier, else of EfficientNet-Lite0 for pictures in colour; None for the rest."""
    found = of_classifier(known, *sets)
    if found is None and in_colour(sets[0].shape[1]):
        from cfm.nets.efficientnet import features

        return [features(points) for points in sets]
    return found


def _classifier(evaluation: Evaluation) -> Classifier | None:
    from cfm.nets.classifier import stored

    return stored(evaluation.known, evaluation.x1.shape[1])


def frechet_classifier(evaluation: Evaluation) -> float | None:
    """Frechet distance in the features of the data set's own classifier."""
    features = of_classifier(evaluation.known, evaluation.x1, evaluation.target)
    return None if features is None else frechet_distance(*features)


def class_accuracy(evaluation: Evaluation) -> float | None:
    """The share of pictures in which the classifier sees the class that was asked for; None if none was."""
    from cfm.nets.classifier import predicted

    net, labels = _classifier(evaluation), evaluation.stored.get("label")
    if net is None or labels is None:
        return None
    return float((predicted(net, evaluation.x1) == labels[: len(evaluation.x1), 0]).mean())


def classifier_accuracy(evaluation: Evaluation) -> float | None:
    """The classifier's own accuracy on real test pictures, the same for all methods."""
    found = evaluation.known.get("classifier_accuracy")
    return None if found is None else float(found)


def augmentation_gain(evaluation: Evaluation) -> float | None:
    """What generated pictures add: the test accuracy of a classifier that was trained on the real training pictures and
    on them, with the classes that were asked for, less that of the real ones alone. None if no class was asked for."""
    from cfm.nets.classifier import predicted, train

    known, labels = evaluation.known, evaluation.stored.get("label")
    if "classifier_accuracy" not in known or labels is None:
        return None
    pictures = np.concatenate([known["train_1"], evaluation.x1])
    classes = np.concatenate([known["train_label"], labels[: len(evaluation.x1)]])
    passes = int(known["classifier_passes"])
    net = train(pictures, classes, len(known["classifier.head.1.bias"]), passes)
    accuracy = (predicted(net, evaluation.target) == known["test_label"][:, 0]).mean()
    return float(accuracy - known["classifier_accuracy"])


METRICS = {
    "frechet_classifier": Metric(frechet_classifier, "Fréchet distance, classifier", unit="features²", better="lower"),
    "class_accuracy": Metric(
        class_accuracy, "samples that show their class", unit="share", better="higher", per_test_set=False
    ),
    "augmentation_gain": Metric(
        augmentation_gain, "accuracy gained by generated pictures", unit="share", better="higher", per_test_set=False
    ),
    "classifier_accuracy": Metric(
        classifier_accuracy, "accuracy of the classifier itself", unit="share", better=None, per_test_set=False
    ),
}
