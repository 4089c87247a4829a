"""The two-dimensional problems of Table 2: points on rings, moons and a curve.

Definitions follow the authors' configuration, including that the two "8gaussians" differ: next to a normal
source eight modes on a ring of radius 5 with standard deviation 1 and equal counts; next to the moons
eight randomly chosen modes on a ring of radius 12 with standard deviation 1.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cfm.datasets.base import SPLITS, Dataset
from cfm.rng import DATA_SEED, stream
from cfm.settings import Sizes
from cfm.types import Points


def _ring(mode: np.ndarray, radius: float, std: float, rng: np.random.Generator) -> Points:
    angle = mode * (np.pi / 4)
    centre = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (centre + std * rng.standard_normal((len(mode), 2))).astype(np.float32)


def eight_gaussians(n: int, rng: np.random.Generator) -> Points:
    """Ring of radius 5, std 1, every mode equally often (torchdyn's generator, as the authors call it)."""
    points = _ring(mode := rng.permutation(np.arange(n) % 8), 5.0, 1.0, rng)
    jitter = 1e-4 * rng.standard_normal((8, 2))  # of the modes: torchdyn adds it
    return points + jitter[mode].astype(np.float32)


def eight_gaussians_wide(n: int, rng: np.random.Generator) -> Points:
    """Ring of radius 12, std 1.5, modes drawn at random (the DSB authors' generator, centres 4 x 3)."""
    return _ring(rng.integers(8, size=n), 12.0, 1.5, rng)


def _sklearn_seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def moons(n: int, rng: np.random.Generator) -> Points:
    """scikit-learn's two moons with noise 0.05, scaled by 2, first coordinate minus 1."""
    from sklearn.datasets import make_moons

    points, _ = make_moons(n, noise=0.05, random_state=_sklearn_seed(rng))
    return (2 * points - [1, 0]).astype(np.float32)


def moons_wide(n: int, rng: np.random.Generator) -> Points:
    """scikit-learn's two moons with noise 0.1, scalar mean 0 and scalar std 7 over the whole sample."""
    from sklearn.datasets import make_moons

    points, _ = make_moons(n, noise=0.1, random_state=_sklearn_seed(rng))
    return (7 * (points - points.mean()) / points.std()).astype(np.float32)


def scurve(n: int, rng: np.random.Generator) -> Points:
    """scikit-learn's S curve with noise 0.05, first and third coordinate, times 1.5."""
    from sklearn.datasets import make_s_curve

    points, _ = make_s_curve(n, noise=0.05, random_state=_sklearn_seed(rng))
    return (1.5 * points[:, [0, 2]]).astype(np.float32)


_DRAW: dict[str, Callable[[int, np.random.Generator], Points]] = {
    "8gaussians": eight_gaussians,
    "8gaussians_wide": eight_gaussians_wide,
    "moons": moons,
    "moons_wide": moons_wide,
    "scurve": scurve,
}


def draw(name: str, n: int, rng: np.random.Generator) -> Points:
    """N fresh points (n, 2) of a distribution by its name; "gaussian" is the standard normal one."""
    return rng.standard_normal((n, 2), dtype=np.float32) if name == "gaussian" else _DRAW[name](n, rng)


@dataclass(frozen=True)
class Toy2d(Dataset):
    """A source and a target distribution in the plane, by name."""

    source: Literal["gaussian", "moons_wide"]
    target: Literal["8gaussians", "8gaussians_wide", "moons", "scurve"]

    @property
    def dim(self) -> int:
        return 2

    @property
    def gaussian_source(self) -> bool:
        return self.source == "gaussian"

    def prepare(self, sizes: Sizes | None) -> dict[str, Points]:
        assert sizes is not None  # the check of the configuration sees to it
        counts = [getattr(sizes, split) for split in SPLITS]
        arrays: dict[str, Points] = {}
        for k, name in enumerate((self.source, self.target)):
            if name == "gaussian":
                continue
            # One sample, shuffled and cut: the moons are scaled as a whole, like the authors' data.
            rng = stream(DATA_SEED, f"toy2d/{name}/{k}")
            points = rng.permutation(_DRAW[name](sum(counts), rng))
            parts = np.split(points, np.cumsum(counts)[:-1])
            arrays |= {f"{split}_{k}": part for split, part in zip(SPLITS, parts, strict=True)}
        return arrays

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        return _DRAW[self.target](n, rng)


DATASET = Toy2d
