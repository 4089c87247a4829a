"""The problem that methods are tried on: N(0, I) to N((3, 0), I / 4), as plain as can be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cfm.datasets.base import Dataset, Prepared
from cfm.rng import stream
from cfm.types import Points

TEXT = "N(0, I) to N((3, 0), I / 4)"


@dataclass(frozen=True)
class Gaussian(Dataset):
    """Its source is never stored."""

    dim = 2
    gaussian_source = True

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        return (np.array([3.0, 0.0]) + 0.5 * rng.standard_normal((n, 2))).astype(np.float32)


def prepared() -> Prepared:
    """Its finite samples."""
    sizes = {"train": 1000, "val": 200, "test": 1000}
    arrays = {f"{split}_1": Gaussian().draw_target(n, stream(0, split)) for split, n in sizes.items()}
    return Prepared(arrays, dim=2, gaussian_source=True)


def source(n: int) -> Points:
    """Points that are carried to the target."""
    return stream(5, "x0").standard_normal((n, 2)).astype(np.float32)


def target(n: int) -> Points:
    """Points that they are compared with."""
    return Gaussian().draw_target(n, stream(5, "x1"))
