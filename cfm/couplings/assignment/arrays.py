"""Squared distances between two clouds, and what the duals of their assignment problem give."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@functools.lru_cache(maxsize=4)
def scratch(n: int, m: int, dtype: type) -> npt.NDArray[Any]:
    """A matrix of this process to write into: new memory for every batch costs more than what is computed in it."""
    return np.empty((n, m), dtype)


def squared_distances(x: Floats, y: Floats, dtype: type = np.float64) -> Floats:
    """C_ij = |x_i - y_j|^2 of x (n, d) and y (m, d), to rounding of |x_i|^2 + |y_j|^2.

    A buffer that the next call overwrites: copy to keep.
    """
    left = np.column_stack([-2 * x, (x * x).sum(axis=1), np.ones(len(x))])
    right = np.vstack([y.T, np.ones(len(y)), (y * y).sum(axis=1)])
    out = scratch(len(x), len(y), dtype)
    return np.matmul(left.astype(dtype, copy=False), right.astype(dtype, copy=False), out=out)


@njit(cache=True, nogil=True)
def c_transform(cost: Floats, u: Floats) -> Floats:
    """v_j = min_i (C_ij - u_i): with u, feasible duals."""
    n, m = cost.shape
    v = np.full(m, np.inf)
    for i in range(n):
        for j in range(m):
            v[j] = min(v[j], cost[i, j] - u[i])
    return v


@njit(cache=True, nogil=True)
def duality_gap(cost: Floats, permutation: Ints, u: Floats, v: Floats) -> float:
    """Cost of the permutation minus the dual value of (u, v'), where v' <= v is made feasible against all arcs."""
    n = len(u)
    violation, slack = np.zeros(n), 0.0
    for i in range(n):
        slack += cost[i, permutation[i]] - u[i] - v[permutation[i]]
        for j in range(n):
            violation[j] = min(violation[j], cost[i, j] - u[i] - v[j])
    return slack - violation.sum()
