"""The problems of Table 3: two-dimensional ones whose Schroedinger bridge is known by simulation.

Ends are drawn from the entropic plan of a large fresh sample and joined by Brownian bridges (cfm/schroedinger.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cfm.datasets.toy2d import Toy2d, draw
from cfm.rng import DATA_SEED, stream
from cfm.schroedinger import TIMES, brownian_bridges
from cfm.settings import Sizes
from cfm.types import Points

# Points on each side of the plan per path that is drawn: few of the paths share an end.
_PLAN = 4


@dataclass(frozen=True)
class Bridge(Toy2d):
    """A two-dimensional problem with the width sigma of the reference process."""

    sigma: float

    def prepare(self, sizes: Sizes | None) -> dict[str, Points]:
        """The samples of the problem, and as many paths of its bridge as there are test points."""
        assert sizes is not None  # the check of the configuration sees to it
        paths = self.draw_bridge(sizes.test, stream(DATA_SEED, f"bridge/{self.source}/{self.target}"))
        return super().prepare(sizes) | {"bridge_t": TIMES, "bridge_paths": paths}

    def draw_bridge(self, n: int, rng: np.random.Generator, plan: int | None = None) -> Points:
        """N paths at `TIMES`, (T, n, 2), from a plan between `plan` fresh points on each side (4 n unless given)."""
        from cfm.couplings.entropic import entropic_pairs

        size = plan or _PLAN * n
        x0, x1 = (draw(name, size, rng).astype(np.float64) for name in (self.source, self.target))
        i, j = entropic_pairs(x0, x1, 2 * self.sigma**2, n, rng)
        return brownian_bridges(x0[i], x1[j], self.sigma, rng)


DATASET = Bridge
