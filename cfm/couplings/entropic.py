"""Entropic optimal transport between two uniform batches, by Sinkhorn's iterations in float64."""

from __future__ import annotations

import numpy as np
from numba import njit

from cfm.couplings.assignment import exact_duals
from cfm.couplings.assignment.arrays import Floats, Ints, squared_distances
from cfm.errors import RunFailed

# exp(-x) is a normal float64 number for x below this, so the Gibbs kernel has no entry that underflows.
_KERNEL_RANGE = 690.0
_TOLERANCE, _REFERENCE_TOLERANCE = 1e-2, 1e-4
_MAX_ITERATIONS = 20_000
_OVER_RELAXATION, _NEAR = 1.7, 0.5  # w, and the error below which it is used
_STALL = 200  # passes without a smaller error, after which it will not get there

_SUMS = {"reassoc", "contract", "nsz"}  # sums in any order; infinities and NaN keep their meaning


def entropic_plan(x0: Floats, x1: Floats, epsilon: float) -> Floats:
    """Plan of entropic optimal transport between uniform batches x0 (n, d) and x1 (m, d), shape (n, m).

    argmin over plans P of sum_ij P_ij C_ij + epsilon sum_ij P_ij (log P_ij - 1), by Sinkhorn's
    iterations in float64 until the marginals are met to 1e-2 in l1, which is far below the noise of drawing
    one batch of pairs. Raises `RunFailed` if that does not happen.

    Where exp(-C / epsilon) would underflow, the iterations run on the reduced cost C - u - v of the
    exact problem's dual potentials. The plan is the same (potentials only rescale rows and columns),
    but the reduced cost is zero along the optimal assignment, so no row of the kernel vanishes
    however small epsilon is: the stabilisation of Schmitzer (2019), with the limit as starting point.
    """
    kernel, u, v = _scaled_kernel(x0, x1, epsilon, _TOLERANCE)
    return u[:, None] * kernel * v


def entropic_pairs(x0: Floats, x1: Floats, epsilon: float, n: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """N pairs (i, j) of the plan: source points in turn, j ~ P(j | i), shapes (n,), (n,).

    For a reference, not for training: the plan is iterated to 1e-4.
    """
    kernel, _, v = _scaled_kernel(x0, x1, epsilon, _REFERENCE_TOLERANCE)
    rows = np.arange(n) % len(x0)
    return rows, draw_partners(kernel[rows], v, rng.random(n))


def entropic_partners(x0: Floats, x1: Floats, epsilon: float, rng: np.random.Generator) -> Ints:
    """For every row i of the entropic plan one column j ~ P(j | i), shape (n,): every source point is used once."""
    kernel, _, v = _scaled_kernel(x0, x1, epsilon, _TOLERANCE)
    return draw_partners(kernel, v, rng.random(len(kernel)))


def _scaled_kernel(x0: Floats, x1: Floats, epsilon: float, tolerance: float) -> tuple[Floats, Floats, Floats]:
    """Kernel K (n, m) and scalings u (n,), v (m,) with the plan diag(u) K diag(v).

    K is a buffer that the next call overwrites: copy to keep.
    """
    cost = squared_distances(x0, x1)
    if not np.isfinite(cost).all():
        raise RunFailed("entropic coupling: the cost matrix has non-finite entries")
    if cost.max() > _KERNEL_RANGE * epsilon:
        cost -= exact_duals(x0, x1)[:, None]
        cost -= cost.min(axis=0)  # the c-transform of u is the other potential
    cost *= -1 / epsilon
    kernel = np.exp(cost, out=cost)
    with np.errstate(all="ignore"):
        u, v, error, passes = _sinkhorn(kernel, tolerance, _MAX_ITERATIONS, _OVER_RELAXATION)
        if not error <= tolerance:  # from afar over-relaxation may go round in circles or overflow; plain steps do not
            u, v, error, passes = _sinkhorn(kernel, tolerance, _MAX_ITERATIONS, 1.0)
    if not np.isfinite(error):
        raise RunFailed("the transport plan has non-finite entries")
    if error > tolerance:
        raise RunFailed(f"Sinkhorn's iterations miss the marginals by {error:.2g} after {passes} passes")
    return kernel, u, v


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_SUMS)
def _sinkhorn(
    kernel: Floats, tolerance: float, max_iterations: int, over_relaxation: float
) -> tuple[Floats, Floats, float, int]:
    """Scalings u (n,) and v (m,) of the kernel to uniform marginals, the rows' error in l1, and the passes made.

    u <- u (a / (u K v))^w is Sinkhorn's step for w = 1; once it is near, w = 1.7 needs a quarter of the passes
    where they are many (Thibault et al. 2021). The v returned has w = 1, which makes the columns exact.
    One pass over the kernel makes all the products of an iteration; it supposes that w stays as it was, and is
    repeated where it does not. It ends early where the error stays above its smallest for `_STALL` passes.
    """
    n, m = kernel.shape
    u, u_next, v = np.empty(n), np.empty(n), np.full(m, 1 / m)
    sums, sums_next = np.zeros(m), np.empty(m)  # K^T u
    for i in range(n):
        total = 0.0
        for j in range(m):
            total += kernel[i, j] * v[j]
        u[i] = 1 / (n * total)
        for j in range(m):
            sums[j] += u[i] * kernel[i, j]
    omega, error, exact = 1.0, np.inf, v
    smallest, since = np.inf, 0
    for passes in range(max_iterations):
        exact = 1 / (m * sums)
        while True:
            relaxed = v * (exact / v) ** omega
            sums_next[:] = 0
            error = 0.0
            for i in range(n):
                row = row_relaxed = 0.0
                for j in range(m):
                    row += kernel[i, j] * exact[j]
                    row_relaxed += kernel[i, j] * relaxed[j]
                error += abs(u[i] * row - 1 / n)
                u_next[i] = u[i] * (1 / (n * u[i] * row_relaxed)) ** omega
                for j in range(m):
                    sums_next[j] += u_next[i] * kernel[i, j]
            supposed, omega = omega, over_relaxation if error < _NEAR else 1.0
            if error <= tolerance or not np.isfinite(error) or omega == supposed:
                break
        since = 0 if error < smallest else since + 1
        smallest = min(smallest, error)
        if error <= tolerance or not np.isfinite(error) or since == _STALL:
            return u, exact, error, passes
        v = relaxed
        u, u_next = u_next, u
        sums, sums_next = sums_next, sums
    return u, exact, error, max_iterations


@njit(cache=True, nogil=True)
def draw_partners(kernel: Floats, v: Floats, uniform: Floats) -> Ints:
    """For every row i one column j with probability proportional to K_ij v_j, by inversion of `uniform` (n,)."""
    n, m = kernel.shape
    partner = np.empty(n, np.int64)
    for i in range(n):
        total = 0.0
        for j in range(m):
            total += kernel[i, j] * v[j]
        rest, j = uniform[i] * total, 0
        while j < m - 1 and rest >= kernel[i, j] * v[j]:
            rest -= kernel[i, j] * v[j]
            j += 1
        partner[i] = j
    return partner
