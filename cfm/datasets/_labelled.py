"""The arrays of a data set of pictures with labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cfm.types import Bytes, Indices, Points


def labelled(
    splits: Mapping[str, tuple[Bytes, Indices | Bytes]], classes: int, classifier: int | None
) -> dict[str, Points]:
    """Of pictures (n, c, h, w) with labels (n,): bytes (n, dim) and labels (n, 1), but of a split that is empty.

    With `classifier`, passes over the training pictures: the weights of one, and its test accuracy.
    """
    arrays: dict[str, Points] = {}
    for split, (pictures, labels) in splits.items():
        if len(labels):
            arrays[f"{split}_1"] = pictures.reshape(len(pictures), -1)  # type: ignore[assignment]  # bytes
            arrays[f"{split}_label"] = labels[:, None].astype(np.float32)
    if classifier is not None:
        from cfm.nets.classifier import prepared

        arrays |= prepared(arrays, classes, classifier)
    return arrays
