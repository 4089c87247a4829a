r"""Exact optimal assignment of two point clouds of equal size under squared Euclidean cost.

Primal, over permutations s, with C_ij = |x_i - y_j|^2:  min_s sum_i C_{i,s(i)}.
Dual:  max sum_i u_i + sum_j v_j  subject to  u_i + v_j <= C_ij.
For every u the c-transform v_j = min_i (C_ij - u_i) is feasible, so for every permutation s and every u

    gap(s, u) = sum_i C_{i,s(i)} - sum_i u_i - sum_j min_i (C_ij - u_i)  >=  cost(s) - optimal cost  >=  0.

A permutation is returned only if some u closes this gap to rounding over ALL n^2 arcs (the certificate), or
if it comes from POT's network simplex on the dense cost (Bonneel, van de Panne, Paris, Heidrich 2011).

Method (column generation):
1. dual estimate: c-transform of the duals of a reference problem, then annealed, over-relaxed Sinkhorn steps
   in float32, which move the estimate to the batch at hand;
2. arcs with small reduced cost R_ij = C_ij - u_i - v_j <= h go to POT's sparse network simplex, at cost R
   (same optimum, nearer start), with a hub: a point may stay single at price p. So every problem is feasible
   and no dual moves by more than p; otherwise the sparse duals are arbitrary and certify nothing. With
   p = h/2 no arc left out can be violated, only single points can remain; p = h leaves fewer, so it is first;
3. certificate; if it fails, 2 again from the new duals with twice the arcs; after ROUNDS rounds, dense.

Clouds are centred one by one, which changes C by terms in i or j alone, not the optimal permutations. With
A = [-2x, |x|^2, 1] and B = [y, 1, |y|^2]^T, C = A B, and duals enter by A[:, -2] -= u and B[-1] -= v.
"""

import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from cfm.errors import RunFailed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Up to these sizes plain ot.emd is as fast (in `assign` and `wasserstein2_squared`).
DENSE_BATCH, DENSE_LARGE = 128, 1500
CELL = 10  # points per cell of the coarse problem that gives wasserstein2_squared its reference duals
CHUNK = 512  # rows of C held in memory at once
ROUNDS = 4
STEPS, RELAXATION = 10, np.float32(-1.6)  # Sinkhorn; minus the over-relaxation exponent, stable in (-2, 0)
# Temperatures, in units of the reduced cost that a share of all arcs stays below; that share; arcs per point
# in round 1. The hot one repairs imbalance between clusters, the cold sharpen; coarse duals need one only.
BATCH, LARGE = ((3.3, 0.5, 0.06), 0.06, 16), ((1.2,), 0.003, 64)
GAP = 1e-12  # certificate: allowed gap per point, in units of the largest cost
MAX_ITERATIONS = 10**9


@dataclass(frozen=True)
class Potentials:
    """Optimal duals u (m,) on the source points x (m, d) of a reference problem; never changed after."""

    x: Floats
    u: Floats


def reference_potentials(x: Floats, y: Floats) -> Potentials:
    """Solve the reference problem between x and y, both (m, d); a few hundred points are enough."""
    x, y = _checked(x, y)
    return Potentials(x.copy(), _dense(x, y, np.ones(len(x)), np.ones(len(x)))[1])


def assign(x: Floats, y: Floats, potentials: Potentials | None = None) -> Ints:
    """Optimal permutation (n,): x[i] goes with y[perm[i]], for x and y both (n, d).

    The potentials only change the time taken; without them ot.emd solves the dense problem.
    Raises ValueError on shapes that do not fit, RunFailed on non-finite points or a failing solver.
    """
    x, y = _checked(x, y)
    if potentials is None or len(x) <= DENSE_BATCH:
        return _dense_permutation(x, y)
    return _assign_from(x, y, potentials, *BATCH)


def wasserstein2_squared(x: Floats, y: Floats) -> float:
    """Exact W2^2 = mean_i |x_i - y_perm(i)|^2 of two samples (n, d); raises as assign does."""
    x, y = _checked(x, y)
    large = len(x) > DENSE_LARGE
    perm = _assign_from(x, y, _coarse_potentials(x, y), *LARGE) if large else _dense_permutation(x, y)
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


def _dense(x: Floats, y: Floats, a: Floats, b: Floats) -> tuple[Ints, Floats]:
    """Optimal plan as the main target of each point, and source duals, for masses a and b."""
    cost = np.asarray(cdist(x, y, "sqeuclidean"), dtype=np.float64)
    plan, log = pot().emd(a, b, cost, numItermax=MAX_ITERATIONS, log=True)
    if log["warning"] is not None:
        raise RunFailed(f"ot.emd: {log['warning']}")
    return plan.argmax(axis=1), log["u"]


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
    return Potentials(p, _dense(p, q, a, b)[1])


def _factors(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    left = np.column_stack([-2 * x, (x * x).sum(axis=1), np.ones(len(x))])
    return left, np.vstack([y.T, np.ones(len(y)), (y * y).sum(axis=1)])


def _shifted(a: Floats, b: Floats, u: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Factors of the reduced cost C - u - v."""
    a, b = a.copy(), b.copy()
    a[:, -2] -= u
    b[-1] -= v
    return a, b


def _column_minima(a: Floats, b: Floats, dtype: type = np.float32) -> Floats:
    a, b = a.astype(dtype), b.astype(dtype)
    minima = [(a[k : k + CHUNK] @ b).min(axis=0) for k in range(0, len(a), CHUNK)]
    return np.asarray(np.min(minima, axis=0), dtype=np.float64)


def _arc_level(a: Floats, b: Floats, arcs: int) -> float:
    """Entry of A B below which about `arcs` entries per row lie, from some 64 rows."""
    sample = (a[:: max(1, len(a) // 64)] @ b).ravel()
    rank = min(arcs * sample.size // b.shape[1], sample.size - 1)
    return float(np.partition(sample, rank)[rank])


def _near_arcs(a: Floats, b: Floats, level: float) -> tuple[Ints, Ints, Floats]:
    """Rows, columns and values of the entries of A B that are <= level."""
    places, values = [], []
    for k in range(0, len(a), CHUNK):
        block = (a[k : k + CHUNK] @ b).ravel()
        near = np.flatnonzero(block <= level)
        places.append(near + k * b.shape[1])
        values.append(block[near])
    return *np.divmod(np.concatenate(places), b.shape[1]), np.concatenate(values)


def _sinkhorn(a: Floats, b: Floats, u: Floats, v: Floats, temperatures: list[float]) -> tuple[Floats, Floats]:
    """Duals after STEPS over-relaxed Sinkhorn steps at each temperature, kernel in float32."""
    kernel = np.empty((len(u), len(v)), dtype=np.float32)
    for t in temperatures:
        left, right = _shifted(a, b, u, v)
        np.matmul((left / -t).astype(np.float32), right.astype(np.float32), out=kernel)
        np.maximum(kernel, np.float32(-60), out=kernel)  # denormal numbers would slow all that follows
        np.exp(kernel, out=kernel)
        f = 1 / kernel.sum(axis=1)
        g = 1 / (f @ kernel)
        for _ in range(STEPS):
            f = f * (f * (kernel @ g)) ** RELAXATION
            g = g * (g * (f @ kernel)) ** RELAXATION
        u, v = u + t * np.log(f), v + t * np.log(g)
    return u, v


def _simplex_with_hub(i: Ints, j: Ints, cost: Floats, n: int, price: float) -> tuple[Ints, Floats]:
    """Partial matching (n,), n where a point stays single, and source duals of the sparse problem.

    Node n on each side is the hub, of mass n; it takes any point at the price and its twin for nothing.
    """
    points, hub, mass = np.arange(n), np.full(n, n), np.append(np.ones(n), n)
    sources = np.concatenate([i, points, hub, [n]]).astype(np.uint64)
    targets = np.concatenate([j, hub, points, [n]]).astype(np.uint64)
    costs = np.concatenate([cost, np.full(2 * n, price), [0.0]])
    solve = pot().lp.emd_wrap.emd_c_sparse
    matched, to, _, _, u, _, code = solve(mass, mass, sources, targets, costs, MAX_ITERATIONS)
    matching = np.full(n + 1, n)
    if code == 1:  # optimal; otherwise all stay single and the dense solver has the last word
        matching[matched.astype(np.int64)] = to.astype(np.int64)
    return matching[:n], u[:n] - u[n]


@np.errstate(all="ignore")  # wild duals only end in the dense solver
def _assign_from(x: Floats, y: Floats, start: Potentials, heats: tuple[float, ...], share: float, arcs: int) -> Ints:
    """Steps 1 to 3 of the module."""
    n, shift = len(x), x.mean(axis=0) - y.mean(axis=0)
    x_start, x_mid, y_mid = start.x - x.mean(axis=0), x - x.mean(axis=0), y - y.mean(axis=0)
    (a, b), (a_start, _) = _factors(x_mid, y_mid), _factors(x_start, y_mid)
    slack = GAP * n * 4 * max(a[:, -2].max(), b[-1].max())
    a_start[:, -2] -= start.u - 2 * x_start @ shift  # the duals of the centred problem
    v = _column_minima(a_start, b)
    u = _column_minima(_shifted(a, b, np.zeros(n), v)[1].T, a.T)
    unit = _arc_level(*_shifted(a, b, u, v), int(share * n))
    if unit > 0:
        u, v = _sinkhorn(a, b, u, v, [unit * heat for heat in heats])
    for attempt in range(ROUNDS):
        left, right = _shifted(a, b, u, v)
        level = _arc_level(left, right, arcs * 2**attempt)
        if not (0 < level < np.inf and np.isfinite(u + v).all()):
            break
        price = level if attempt == 0 else level / 2
        matching, du = _simplex_with_hub(*_near_arcs(left, right, level), n, price)
        left[:, -2] -= du
        dv = _column_minima(left, right, np.float64)
        gap = (left * right.T[matching % n]).sum() - dv.sum()
        if gap <= slack and np.bincount(matching).max() == 1 and matching.max() < n:
            return matching
        u, v = u + du, v + dv
    return _dense_permutation(x, y)
