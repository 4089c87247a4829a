"""A mixture of round Gaussians in the plane, on a circle, with unequal weights 1 : 2 : ... : modes."""

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
class GaussianMixture(Density):
    """Number of modes, radius of their circle, and standard deviation of each."""

    modes: int
    radius: float
    std: float

    @property
    def dim(self) -> int:
        return 2

    @property
    def log_normaliser(self) -> float:
        return 0.0

    @property
    def _centres(self) -> np.ndarray:
        angle = 2 * np.pi * np.arange(self.modes) / self.modes
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)

    @property
    def _weights(self) -> np.ndarray:
        return np.arange(1, self.modes + 1) / (self.modes * (self.modes + 1) / 2)

    def log_density(self, x: Tensor) -> Tensor:
        import torch

        squares = (x[:, None] - torch.from_numpy(self._centres).to(x)).square().sum(dim=2)
        constant = torch.from_numpy(np.log(self._weights)).to(x) - math.log(2 * math.pi * self.std**2)
        return torch.logsumexp(constant - squares / (2 * self.std**2), dim=1)

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        mode = rng.choice(self.modes, size=n, p=self._weights)
        return (self._centres[mode] + self.std * rng.standard_normal((n, 2))).astype(np.float32)


DATASET = GaussianMixture
