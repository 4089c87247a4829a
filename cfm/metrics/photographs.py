"""Frechet distances and a kernel distance of photographs, in features of networks that were trained on ImageNet.

    fid: Inception's 2,048 features, with the weights and the resizing of TensorFlow's original, as the paper reports it
    frechet_efficientnet_lite0: 1,280 features of EfficientNet-Lite0, for pictures scaled to 96 pixels
    kid_efficientnet_lite0: MMD^2 of the same with the kernel (f . g / 1280 + 1)^3, unbiased (Binkowski et al. 2018)

The FID needs the package torch-fidelity, and its weights, which it downloads; without them its cells stay empty, and
the log says so. The others are not FIDs; their floor is the control's row, real pictures against real ones.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from cfm.metrics.base import Evaluation, Metric
from cfm.metrics.frechet import frechet_distance, in_colour
from cfm.nets.efficientnet import AT_ONCE
from cfm.pictures import to_bytes
from cfm.types import Floats


def frechet_efficientnet_lite0(evaluation: Evaluation) -> float | None:
    """Frechet distance in EfficientNet-Lite0's features; None for what is not in colour."""
    if not in_colour(evaluation.x1.shape[1]):
        return None
    return frechet_distance(*evaluation.photograph_features)


def kid_efficientnet_lite0(evaluation: Evaluation) -> float | None:
    """The kernel distance, of at most 10,000 pictures on each side."""
    if not in_colour(evaluation.x1.shape[1]):
        return None
    return polynomial_mmd(*(found[:10_000] for found in evaluation.photograph_features))


def polynomial_mmd(f: Floats, g: Floats) -> float:
    """MMD^2 of features (n, k) and (m, k) with the kernel (f . g / k + 1)^3, unbiased."""

    def kernel(a: Floats, b: Floats) -> npt.NDArray[np.float64]:
        return (a.astype(np.float64) @ b.T.astype(np.float64) / a.shape[1] + 1) ** 3

    within = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (kernel(f, f), kernel(g, g)))
    return float(within - 2 * kernel(f, g).mean())


def fid(evaluation: Evaluation) -> float | None:
    """The paper's FID; None, and a note in the log, where Inception cannot be had."""
    if not in_colour(evaluation.x1.shape[1]):
        return None
    if importlib.util.find_spec("torch_fidelity") is None:
        print("note: no FID: it needs `pip install torch-fidelity`", file=sys.stderr)
        return None
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    from cfm.device import choose

    try:
        judge: Any = FrechetInceptionDistance(feature=2048).to(choose("auto"))
    except OSError as error:  # its weights are downloaded
        print(f"note: no FID: Inception's weights cannot be had: {error}", file=sys.stderr)
        return None
    for points, real in ((evaluation.target, True), (evaluation.x1, False)):
        for part in torch.from_numpy(to_bytes(points)).split(AT_ONCE):
            judge.update(part.to(judge.device), real=real)
    return float(judge.compute())


METRICS = {
    "fid": Metric(fid, "FID", unit="FID", better="lower"),
    "frechet_efficientnet_lite0": Metric(
        frechet_efficientnet_lite0, "Fréchet distance, EfficientNet-Lite0", unit="features²", better="lower"
    ),
    "kid_efficientnet_lite0": Metric(
        kid_efficientnet_lite0, "KID, EfficientNet-Lite0", unit="features³", better="lower"
    ),
}
