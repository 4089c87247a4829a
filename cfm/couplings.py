"""Couplings q(z) = q(x0, x1) of a source batch and a target batch (paper, section 3).

A coupling maps two batches to index pairs `(i, j)`: the training pairs are `(x0[i], x1[j])`. Returning
indices keeps the shape of images and the labels of points. The random generator is always passed in.
A plan that is not finite, sums to zero, or has not converged raises `RunFailed`: no coupling ever falls
back to independent pairs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cfm.assignment import Potentials, assign, pot, reference_potentials
from cfm.errors import RunFailed

Array = npt.NDArray[np.floating]
Indices = npt.NDArray[np.int64]

# exp(-x) is a normal float64 number for x below this, so the Gibbs kernel has no entry that underflows.
_KERNEL_RANGE = 690.0
_TOLERANCE = 1e-2
_MAX_ITERATIONS = 20_000
_OVER_RELAXATION, _NEAR = 1.7, 0.5


def flat(points: Array) -> npt.NDArray[np.float64]:
    """Points of any shape as rows of numbers, shape (n, d), float64."""
    return points.reshape(len(points), -1).astype(np.float64)


def squared_distances(x0: Array, x1: Array) -> npt.NDArray[np.float64]:
    """Cost C_ij = |x0_i - x1_j|^2 of flattened points, shape (n, m), float64."""
    from scipy.spatial.distance import cdist

    cost = cdist(flat(x0), flat(x1), "sqeuclidean")
    return np.asarray(cost, dtype=np.float64)


def entropic_plan(x0: Array, x1: Array, epsilon: float) -> npt.NDArray[np.float64]:
    """Plan of entropic optimal transport between uniform batches, shape (n, m).

    argmin over plans P of sum_ij P_ij C_ij + epsilon sum_ij P_ij (log P_ij - 1), by Sinkhorn's
    iterations in float64 until the marginals are met to 1e-2 in l1, which is far below the noise of drawing
    one batch of pairs. Raises `RunFailed` if that does not happen.

    Where exp(-C / epsilon) would underflow, the iterations run on the reduced cost C - u - v of the
    exact problem's dual potentials. The plan is the same (potentials only rescale rows and columns),
    but the reduced cost is zero along the optimal assignment, so no row of the kernel vanishes
    however small epsilon is: the stabilisation of Schmitzer (2019), with the limit as starting point.
    """
    cost = squared_distances(x0, x1)
    if not np.isfinite(cost).all():
        raise RunFailed("entropic coupling: the cost matrix has non-finite entries")
    if cost.max() > _KERNEL_RANGE * epsilon:
        cost -= reference_potentials(flat(x0), flat(x1)).u[:, None]
        cost -= cost.min(axis=0)  # the c-transform of u is the other potential
    return _sinkhorn(np.exp(cost * (-1 / epsilon)))


def _sinkhorn(kernel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The plan diag(u) K diag(v) with uniform marginals, by alternating scaling with over-relaxation.

    u <- u (a / (u K v))^w is Sinkhorn's step for w = 1; once it is near, w = 1.7 needs a quarter of the passes
    where they are many (Thibault et al. 2021). The last step has w = 1, which makes the columns exact.
    """
    n, m = kernel.shape
    v = np.full(m, 1 / m)
    u = 1 / (n * (kernel @ v))
    with np.errstate(all="ignore"):  # a kernel with an empty row gives infinities, caught here
        for _ in range(_MAX_ITERATIONS):
            columns = v * (u @ kernel)
            exact = v / (m * columns)
            rows = u * (kernel @ exact)
            error = np.abs(rows - 1 / n).sum()
            if error <= _TOLERANCE:
                return u[:, None] * kernel * exact
            if not np.isfinite(error):
                raise RunFailed("the transport plan has non-finite entries")
            omega = _OVER_RELAXATION if error < _NEAR else 1.0
            v = v * (1 / (m * columns)) ** omega
            u = u * (1 / (n * (u * (kernel @ v)))) ** omega
    raise RunFailed(f"Sinkhorn's iterations miss the marginals by {error:.2g} after {_MAX_ITERATIONS} passes")


def check_plan(plan: Array) -> None:
    """Raise `RunFailed` if `plan` is not finite or is zero."""
    if not np.isfinite(plan).all():
        raise RunFailed("the transport plan has non-finite entries")
    if not plan.sum() > 0:
        raise RunFailed("the transport plan is zero")


def draw_given_rows(plan: Array, rng: np.random.Generator) -> Indices:
    """For every row i one column j ~ P(j | i), shape (n,): every source point is used exactly once."""
    cumulative = plan.cumsum()  # over all entries, row by row
    ends = cumulative[plan.shape[1] - 1 :: plan.shape[1]]
    starts = np.append(0.0, ends[:-1])
    place = np.searchsorted(cumulative, starts + rng.random(len(plan)) * (ends - starts), side="right")
    return np.clip(place - np.arange(len(plan)) * plan.shape[1], 0, plan.shape[1] - 1)


def draw_with_replacement(plan: Array, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """N pairs (i, j) ~ P, independently, as the authors' code draws them: shapes (n,), (n,)."""
    flat = rng.choice(plan.size, p=(plan / plan.sum()).ravel(), size=len(plan))
    return np.divmod(flat, plan.shape[1])


@dataclass(frozen=True)
class Minibatch:
    """Source and target points (n, ...) to be paired, the path's sigma, and optional duals to start from.

    The potentials come from a reference sample of the same two distributions and only save time.
    """

    x0: Array
    x1: Array
    sigma: float
    potentials: Potentials | None = None

    def permutation(self) -> Indices:
        """The exact minibatch plan: x0[i] goes with x1[permutation[i]], every point once."""
        if len(self.x0) != len(self.x1):
            raise RunFailed(f"exact coupling needs batches of equal size, got {len(self.x0)} and {len(self.x1)}")
        return assign(flat(self.x0), flat(self.x1), self.potentials)


def _independent(batch: Minibatch, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """q(x0) q(x1): both batches are independent draws already, so the pairs are taken as they come."""
    return np.arange(len(batch.x0)), np.arange(len(batch.x1))


def _exact(batch: Minibatch, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """The minibatch optimal transport plan as a permutation: every point of both batches once."""
    return np.arange(len(batch.x0)), batch.permutation()


def _exact_resampled(batch: Minibatch, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """N pairs of the exact plan drawn with replacement: about 1/e of the points are left out."""
    rows = rng.integers(len(batch.x0), size=len(batch.x0))
    return rows, batch.permutation()[rows]


def _entropic(batch: Minibatch, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """The entropic plan with epsilon = 2 sigma^2 (SB-CFM), one partner drawn for each x0."""
    plan = entropic_plan(batch.x0, batch.x1, 2 * batch.sigma**2)
    return np.arange(len(plan)), draw_given_rows(plan, rng)


def _entropic_float32(batch: Minibatch, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """The authors' route: plain Sinkhorn on a float32 cost, pairs drawn with replacement, unchecked.

    exp(-C / epsilon) is zero in float32 where C > 103 epsilon. Once a whole row vanishes POT stops at the
    first iteration and returns the unscaled kernel, whose mass sits on the closest pairs: the pairs then
    have x1 close to x0 and the learned velocity is nearly zero. Kept to show that this, and not the
    entropic coupling, is the collapse of SB-CFM that was published (docs/conventions.md).
    """
    cost = squared_distances(batch.x0, batch.x1).astype(np.float32)
    weights0, weights1 = (np.full(len(x), 1 / len(x)) for x in (batch.x0, batch.x1))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what is shown here
        plan = pot().sinkhorn(weights0, weights1, cost, 2 * batch.sigma**2)
    check_plan(plan)
    return draw_with_replacement(plan, rng)


@dataclass(frozen=True)
class Coupling:
    """A coupling: `pairs(batch, rng) -> (i, j)`, and what Table 1 says about it."""

    pairs: Callable[[Minibatch, np.random.Generator], tuple[Indices, Indices]]
    formula: str
    marginal_ot: str
    exact: bool = False  # solves the assignment problem, so potentials of a reference problem help


COUPLINGS = {
    "independent": Coupling(_independent, "q(x0) q(x1)", "no"),
    "exact": Coupling(_exact, "π(x0, x1)", "yes", exact=True),
    "exact_resampled": Coupling(_exact_resampled, "π(x0, x1), pairs drawn with replacement", "yes", exact=True),
    "entropic": Coupling(_entropic, "π_{2σ²}(x0, x1)", "entropic"),
    "entropic_float32": Coupling(_entropic_float32, "π_{2σ²}(x0, x1), float32 kernel", "entropic"),
}
