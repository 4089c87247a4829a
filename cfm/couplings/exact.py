"""Exact optimal transport between two samples of any sizes, all points of a sample weighing the same.

    W_p^p(x, y) = min_P sum_ij P_ij |x_i - y_j|^p,    P >= 0, rows summing to 1 / n, columns to 1 / m,

by POT's network simplex (Bonneel, van de Panne, Paris, Heidrich 2011).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.spatial.distance import cdist

from cfm.couplings.assignment import network_simplex, wasserstein2_squared
from cfm.couplings.assignment.arrays import Floats
from cfm.errors import RunFailed

_METRICS: dict[int, Literal["euclidean", "sqeuclidean"]] = {1: "euclidean", 2: "sqeuclidean"}


def transport_plan(x: Floats, y: Floats, power: int) -> tuple[Floats, Floats]:
    """An optimal plan P (n, m) and the costs |x_i - y_j|^power (n, m), for x (n, d) and y (m, d); power 1 or 2.

    Raises RunFailed on non-finite points or if the solver does not get there.
    """
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise RunFailed("optimal transport: non-finite points")
    cost = np.asarray(cdist(x, y, _METRICS[power]), dtype=np.float64)
    a, b = (np.full(len(points), 1 / len(points)) for points in (x, y))
    return network_simplex(a, b, cost)[0], cost


def wasserstein_power(x: Floats, y: Floats, power: int) -> float:
    """W_p^p of two samples, p = `power`; see `transport_plan`, and where n = m and p = 2 cfm.couplings.assignment."""
    if power == 2 and len(x) == len(y):
        return wasserstein2_squared(x, y)
    plan, cost = transport_plan(x, y, power)
    return float((plan * cost).sum())
