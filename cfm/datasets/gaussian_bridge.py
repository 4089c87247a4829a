"""Two Gaussians, between which the Schroedinger bridge has a closed form (cfm/schroedinger.py), in any dimension.

N(-m 1, s0^2 I) to N(m 1, s1^2 I), 1 the vector of ones. With m = 0.1 and s0 = s1 = sigma = 1 it is a common test
problem (De Bortoli et al. 2021; Shi et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cfm.datasets.base import SPLITS, Dataset
from cfm.rng import DATA_SEED, stream
from cfm.schroedinger import TIMES, brownian_bridges, gaussian_covariance, gaussian_variance
from cfm.settings import Sizes
from cfm.types import Points


@dataclass(frozen=True)
class GaussianBridge(Dataset):
    """Number of coordinates, the target's mean in each (the source's is its negative), both stds, and sigma.

    `points`: only so many training points on each side, all unless given.
    """

    dimension: int
    mean: float
    source_std: float
    target_std: float
    sigma: float
    points: int | None = field(default=None, kw_only=True)

    @property
    def dim(self) -> int:
        return self.dimension

    @property
    def gaussian_source(self) -> bool:
        return False  # its mean is not zero: stored like a data set

    def prepare(self, sizes: Sizes | None) -> dict[str, Points]:
        """Samples of both ends, and the bridge's mean (T, dim) and covariance (T, dim, dim) at `TIMES`."""
        assert sizes is not None  # the check of the configuration sees to it
        t = TIMES.astype(np.float64)
        variance = gaussian_variance(t, self.source_std, self.target_std, self.sigma)
        arrays: dict[str, Points] = {
            "bridge_t": TIMES,
            "bridge_mean": np.outer(2 * t - 1, np.full(self.dim, self.mean)).astype(np.float32),
            "bridge_covariance": (variance[:, None, None] * np.eye(self.dim)).astype(np.float32),
        }
        for split in SPLITS:
            for k in range(2):
                rng = stream(DATA_SEED, f"gaussian_bridge/{split}/{k}")
                points = self._draw(k, getattr(sizes, split), rng)
                arrays[f"{split}_{k}"] = points[: self.points] if split == "train" else points
        return arrays

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        return self._draw(1, n, rng)

    def draw_bridge(self, n: int, rng: np.random.Generator, plan: int | None = None) -> Points:
        """N paths at `TIMES`, (T, n, dim), from the plan's closed form: x1 given x0 is Gaussian."""
        c = gaussian_covariance(self.source_std, self.target_std, self.sigma)
        x0 = self._draw(0, n, rng).astype(np.float64)
        rest = np.sqrt(self.target_std**2 - (c / self.source_std) ** 2)
        x1 = self.mean + c / self.source_std**2 * (x0 + self.mean) + rest * rng.standard_normal(x0.shape)
        return brownian_bridges(x0, x1, self.sigma, rng)

    def _draw(self, k: int, n: int, rng: np.random.Generator) -> Points:
        mean, std = ((-self.mean, self.source_std), (self.mean, self.target_std))[k]
        return (mean + std * rng.standard_normal((n, self.dim))).astype(np.float32)


DATASET = GaussianBridge
