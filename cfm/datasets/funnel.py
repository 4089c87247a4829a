"""Neal's funnel: a normal coordinate sets the logarithm of the variance of all others.

    x_0 ~ N(0, variance),   x_i | x_0 ~ N(0, exp(x_0)),  i = 1, ..., dim - 1                       (Neal 2003)

The authors' code has variance 1; 9 is usual elsewhere (Hoffman and Gelman 2014).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cfm.datasets import Density
from cfm.types import Points

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Funnel(Density):
    """Number of coordinates, and the variance of the first one."""

    dimension: int
    variance: float

    @property
    def dim(self) -> int:
        return self.dimension

    @property
    def log_normaliser(self) -> float:
        return 0.0

    def log_density(self, x: Tensor) -> Tensor:
        neck, rest = x[:, 0], x[:, 1:]
        first = -0.5 * (neck**2 / self.variance + math.log(2 * math.pi * self.variance))
        others = -0.5 * (rest**2 * (-neck[:, None]).exp() + neck[:, None] + math.log(2 * math.pi))
        return first + others.sum(dim=1)

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        neck = math.sqrt(self.variance) * rng.standard_normal((n, 1))
        rest = np.exp(neck / 2) * rng.standard_normal((n, self.dim - 1))
        return np.concatenate([neck, rest], axis=1).astype(np.float32)


DATASET = Funnel
