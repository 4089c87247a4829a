"""A small network that learns the labels of pictures: its features give a Frechet distance, its classes a check.

The Inception network of the published FID is not at hand everywhere, and is made for photographs; for digits a network
that knows digits tells more. Distances in its features are named after it and are not FIDs.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cfm.nets.kept import as_arrays, from_arrays
from cfm.nets.wrapped import drawn
from cfm.pictures import from_bytes, shape_of
from cfm.rng import DATA_SEED, stream
from cfm.types import Points

FEATURES = 64
_CHANNELS, _BATCH, _RATE = 16, 64, 2e-3
_PREFIX = "classifier."


class Classifier(nn.Module):
    """Two convolutions and a layer of `FEATURES` features between pictures in a row (n, dim) and classes."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.shape = shape_of(dim)
        depth, side, _ = self.shape
        self.body = nn.Sequential(
            nn.Conv2d(depth, _CHANNELS, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(_CHANNELS, 2 * _CHANNELS, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(2 * _CHANNELS * (side // 4) ** 2, FEATURES),
        )
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(FEATURES, classes))

    def features(self, x: Tensor) -> Tensor:
        """Of pictures (n, dim), shape (n, FEATURES)."""
        found: Tensor = self.body(x.unflatten(1, self.shape))
        return found

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(x))
        return logits


def train(pictures: Points, labels: Points, classes: int, passes: int) -> Classifier:
    """A classifier of pictures (n, dim) with labels (n, 1); the same pictures give the same one."""
    seed = int(stream(DATA_SEED, "classifier/init").integers(2**63))
    net = drawn(functools.partial(Classifier, pictures.shape[1], classes), seed)
    x, y = torch.from_numpy(pictures), torch.from_numpy(labels[:, 0]).long()
    adam = torch.optim.Adam(net.parameters(), lr=_RATE, fused=True)
    for epoch in range(passes):
        for rows in torch.from_numpy(stream(DATA_SEED, "classifier/order", epoch).permutation(len(x))).split(_BATCH):
            adam.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            adam.step()
    return net.eval()


def predicted(net: Classifier, pictures: Points) -> npt.NDArray[np.int64]:
    """The classes that it takes pictures (n, dim) for."""
    with torch.no_grad():
        return np.asarray(net(torch.from_numpy(pictures)).argmax(dim=1).numpy())


def prepared(arrays: Mapping[str, npt.NDArray[np.generic]], classes: int, passes: int) -> dict[str, Points]:
    """The weights of a classifier of the training pictures, as arrays of the data set, and its test accuracy."""
    splits = {split: from_bytes(arrays[f"{split}_1"].astype(np.uint8)) for split in ("train", "test")}
    labels = {split: arrays[f"{split}_label"].astype(np.float32) for split in splits}
    net = train(splits["train"], labels["train"], classes, passes)
    accuracy = (predicted(net, splits["test"]) == labels["test"][:, 0]).mean()
    facts = {"classifier_accuracy": accuracy, "classifier_passes": passes}
    return as_arrays(net, _PREFIX) | {name: np.array(value, dtype=np.float32) for name, value in facts.items()}


def stored(known: Mapping[str, Points], dim: int) -> Classifier | None:
    """The classifier that a data set's arrays hold, if any."""
    weights = from_arrays(known, _PREFIX)
    if not weights:
        return None
    net = Classifier(dim, len(weights["head.1.bias"]))
    net.load_state_dict(weights)
    return net.eval()
