"""The interface of a data set: a sequence of marginals q_0, ..., q_K one can prepare and draw from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cfm.rng import stream
from cfm.settings import Sizes

Array = npt.NDArray[np.float32]

# The authors' loaders make every data set with seed 42, whatever the training seed.
DATA_SEED = 42
SPLITS = ("train", "val", "test", "test_large")


@dataclass(frozen=True)
class Dataset:
    """A family of data sets; the fields of a subclass are its settings in config/datasets.yaml.

    A standard normal source (`gaussian_source`) is never stored: it is drawn fresh at every step and for
    every evaluation.
    """

    @property
    def dim(self) -> int:
        """Number of coordinates of a point."""
        raise NotImplementedError

    @property
    def gaussian_source(self) -> bool:
        """Is q_0 the standard normal distribution?"""
        raise NotImplementedError

    def prepare(self, sizes: Sizes) -> dict[str, Array]:
        """The finite samples by name, `{split}_{k}` of shape (n, dim), float32, for every marginal k stored."""
        raise NotImplementedError

    def draw_target(self, n: int, rng: np.random.Generator) -> Array:
        """N fresh points of the last marginal (for the `oracle` control)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Prepared:
    """The prepared samples of a data set with two marginals, as read from its `data.npz`.

    `paired`: the stored source points belong to the target points in the same rows.
    """

    arrays: Mapping[str, Array]
    dim: int
    gaussian_source: bool
    paired: bool = False

    def target(self, split: str) -> Array:
        """The points of q_1 in a split, shape (n, dim)."""
        return self.arrays[f"{split}_1"]

    def source(self, split: str, seed: int) -> Array:
        """As many points of q_0 as the split has of q_1: stored ones, or fresh normal ones of this seed."""
        if self.gaussian_source:
            shape = self.target(split).shape
            return stream(seed, f"source/{split}").standard_normal(shape, dtype=np.float32)
        return self.arrays[f"{split}_0"]

    def evaluation_source(self, seed: int, points: str) -> Array:
        """Where the samplers start: the test set's sources, followed by the large set's if `points` is all."""
        splits = ("test", "test_large") if points == "all" else ("test",)
        return np.concatenate([self.source(split, seed) for split in splits])
