"""A grid of cells over the plane, on which densities are looked at."""

from __future__ import annotations

import numpy as np

from cfm.types import Points

# Cells of the grid along each side, and how far it goes beyond the test set, in parts of its extent.
_CELLS, _BEYOND = 100, 0.25


def grid(test: Points) -> tuple[Points, Points]:
    """Centres of the cells along both axes of the box around a test set (n, 2) and some way beyond."""
    low, high = test.min(axis=0), test.max(axis=0)
    margin = _BEYOND * (high - low)
    edges = np.linspace(low - margin, high + margin, 2 * _CELLS + 1, dtype=np.float32)
    return edges[1::2, 0], edges[1::2, 1]
