"""What networks that were trained on real pictures say of generated ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cfm.metrics._frechet import frechet_distance, of_classifier
from cfm.metrics.base import Evaluation, Metric

if TYPE_CHECKING:
    from cfm.nets.classifier import Classifier


def _classifier(evaluation: Evaluation) -> Classifier | None:
    from cfm.nets.classifier import stored

    return stored(evaluation.known, evaluation.x1.shape[1])


def frechet_classifier(evaluation: Evaluation) -> float | None:
    """Frechet distance (cfm/metrics/_frechet.py) in the features of the data set's own classifier."""
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
        classifier_accuracy, "accuracy of the classifier itself", unit="share", better="higher", per_test_set=False
    ),
}
