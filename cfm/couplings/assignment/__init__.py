r"""Exact optimal assignment of two point clouds of equal size under squared Euclidean cost.

Primal, over permutations s, with C_ij = |x_i - y_j|^2:  min_s sum_i C_{i,s(i)}.
Dual:  max sum_i u_i + sum_j v_j  subject to  u_i + v_j <= C_ij.
Every permutation s and feasible (u, v) bound the optimum from both sides, so

    gap(s, u, v) = sum_i C_{i,s(i)} - sum_i u_i - sum_j v_j  >=  cost(s) - optimal cost  >=  0.

A permutation is returned only if its gap, against ALL n^2 arcs in float64, is closed to rounding (the certificate),
or if it comes from POT's network simplex on the dense cost (Bonneel, van de Panne, Paris, Heidrich 2011), or, of a
small problem, from SciPy's shortest augmenting paths (Crouse 2016).

1. Estimate v: the c-transform of the duals of a reference problem, solved once, then a few annealed
   Sinkhorn steps on the batch at hand (`estimate`).
2. From v, successive shortest paths on few arcs find the optimum (`shortest_paths`).
3. Certificate (`duality_gap`); should rounding break it, the dense solver decides.

Clouds are centred one by one, which changes C by terms in i or j alone, not the optimal permutations.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from cfm.couplings.assignment.arrays import Floats, Ints, c_transform, duality_gap, squared_distances
from cfm.couplings.assignment.estimate import annealed
from cfm.couplings.assignment.shortest_paths import optimal_matching
from cfm.errors import RunFailed

# Up to this size SciPy's solver is the fastest.
SMALL = 32
# Up to this size a problem without reference duals goes to ot.emd.
DENSE = 256
CELL = 10  # points per cell of the coarse problem that gives wasserstein2_squared its reference duals
GAP = 1e-12  # certificate: allowed gap per point, in units of the largest cost
MAX_ITERATIONS = 10**9
SAMPLED_ROWS = 64


@dataclass(frozen=True)
class Annealing:
    """Sinkhorn temperatures, and the width of the arc lists, in units of the reduced cost that `share` of arcs have."""

    share: float
    temperatures: Sequence[float]
    steps: int
    width: float


# The hot temperature repairs imbalance between clusters, the cold ones sharpen.
BATCH = Annealing(0.06, (3.3, 0.3), 9, 0.6)
LARGE = Annealing(0.003, (1.2, 0.2), 10, 1.0)


@dataclass(frozen=True)
class Potentials:
    """Optimal duals u (m,) on the source points x (m, d) of a reference problem, and its reduced-cost unit."""

    x: Floats
    u: Floats
    unit: float


def reference_potentials(x: Floats, y: Floats) -> Potentials:
    """Solve the reference problem between x and y, both (m, d); a few hundred points are enough."""
    x, y = _checked(x, y)
    u, cost = exact_duals(x, y), squared_distances(x, y)
    return Potentials(x.copy(), u, _unit(cost, c_transform(cost, u), BATCH.share))


def exact_duals(x: Floats, y: Floats) -> Floats:
    """Optimal source duals u (n,) of the assignment problem between x and y, both (n, d), by the dense solver."""
    x, y = _checked(x, y)
    return _dense(x, y, np.ones(len(x)), np.ones(len(x)))[1]


def assign(x: Floats, y: Floats, potentials: Potentials | None = None) -> Ints:
    """Optimal permutation (n,): x[i] goes with y[perm[i]], for x and y both (n, d).

    The potentials only change the time taken; without them ot.emd solves the dense problem (SciPy a small one).
    Raises ValueError on shapes that do not fit, RunFailed on non-finite points or a failing solver.
    """
    x, y = _checked(x, y)
    if len(x) <= SMALL:
        from scipy.optimize import linear_sum_assignment  # type: ignore[attr-defined]

        permutation: Ints = linear_sum_assignment(cdist(x, y, "sqeuclidean"))[1]
        return permutation
    if potentials is None:
        return _dense_permutation(x, y)
    cost, v = _centred(x, y, potentials)
    perm = _optimal(cost, v, potentials.unit, BATCH)
    return _dense_permutation(x, y) if perm is None else perm


def wasserstein2_squared(x: Floats, y: Floats) -> float:
    """Exact W2^2 = mean_i |x_i - y_perm(i)|^2 of two samples (n, d); raises as assign does."""
    x, y = _checked(x, y)
    if len(x) > DENSE:
        cost, v = _centred(x, y, _coarse_potentials(x, y))
        perm = _optimal(cost, v, _unit(cost, v, LARGE.share), LARGE)
    else:
        perm = _dense_permutation(x, y)
    return float(np.mean(((x - y[perm]) ** 2).sum(axis=1)))


def _checked(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or x.shape != y.shape or x.size == 0:
        raise ValueError(f"need two non-empty clouds of one shape (n, d), got {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise RunFailed("optimal assignment: non-finite points")
    return x, y


def pot() -> Any:
    """POT, imported when it is needed."""
    if "torch" not in sys.modules:  # otherwise POT imports torch, 1.5 s, for nothing
        os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")
    import ot

    return ot


def network_simplex(a: Floats, b: Floats, cost: Floats) -> tuple[Floats, Floats]:
    """An optimal plan (n, m) between masses a (n,) and b (m,) for a cost (n, m), by POT, and source duals (n,)."""
    plan, log = pot().emd(a, b, cost, numItermax=MAX_ITERATIONS, log=True)
    if log["warning"] is not None:
        raise RunFailed(f"ot.emd: {log['warning']}")
    return plan, log["u"]


def _dense(x: Floats, y: Floats, a: Floats, b: Floats) -> tuple[Ints, Floats]:
    """Optimal plan as the main target of each point, and source duals, for masses a and b."""
    plan, duals = network_simplex(a, b, np.asarray(cdist(x, y, "sqeuclidean"), dtype=np.float64))
    return plan.argmax(axis=1), duals


def _dense_permutation(x: Floats, y: Floats) -> Ints:
    permutation = _dense(x, y, np.ones(len(x)), np.ones(len(x)))[0]
    if np.bincount(permutation).max() != 1:
        raise RunFailed("ot.emd returned no permutation")
    return permutation


def _cells(x: Floats) -> list[Floats]:
    """Cells of at most CELL points, by repeated median cuts across the widest axis."""
    if len(x) <= CELL:
        return [x]
    half = len(x) // 2
    x = x[np.argpartition(x[:, np.ptp(x, axis=0).argmax()], half)]
    return _cells(x[:half]) + _cells(x[half:])


def _coarse_potentials(x: Floats, y: Floats) -> Potentials:
    # Cells carry the masses of the sample itself; a subsample of equal size has several times their error.
    cells = [_cells(x), _cells(y)]
    a, b = (np.array([float(len(c)) for c in side]) for side in cells)
    p, q = (np.array([c.mean(axis=0) for c in side]) for side in cells)
    return Potentials(p, _dense(p, q, a, b)[1], 0.0)


def _unit(cost: Floats, v: Floats, share: float) -> float:
    """Reduced cost, after the transform of v, that a share of all arcs stays below, from some rows."""
    reduced = cost[:: max(1, len(cost) // SAMPLED_ROWS)] - v
    return float(np.quantile(reduced - reduced.min(axis=1, keepdims=True), share))


def _centred(x: Floats, y: Floats, reference: Potentials) -> tuple[Floats, Floats]:
    """The cost of the centred clouds, and target potentials from the reference problem's source duals."""
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    # The reference points are centred as x is, and their duals made those of centred clouds.
    start = reference.x - x_mean
    u = reference.u - 2 * start @ (x_mean - y_mean)
    v = c_transform(squared_distances(start, y - y_mean, np.float32), u)
    return squared_distances(x - x_mean, y - y_mean), v


def _optimal(cost: Floats, v: Floats, unit: float, annealing: Annealing) -> Ints | None:
    """Steps 1 to 3 of the module; None if there is no certificate."""
    scale = cost.max()
    unit = max(unit, GAP * scale)
    temperatures = [unit * share for share in annealing.temperatures]
    v = annealed(cost, v, temperatures, annealing.steps)
    permutation, u, v = optimal_matching(cost, v, unit * annealing.width)
    return permutation if duality_gap(cost, permutation, u, v) <= GAP * len(u) * scale else None
