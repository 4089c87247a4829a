"""Couplings q(z) = q(x0, x1) of a source batch and a target batch (paper, section 3).

A coupling maps two batches to index pairs `(i, j)`: the training pairs are `(x0[i], x1[j])`. Returning
indices keeps the shape of images and the labels of points. The random generator is always passed in.
A plan that is not finite, sums to zero, or has not converged raises `RunFailed`: no coupling ever falls
back to independent pairs. The solvers are imported where they are used, since the configuration names
the couplings and should be read without waiting for them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cfm.errors import RunFailed
from cfm.types import Floats, Indices, flat

if TYPE_CHECKING:
    from cfm.couplings.assignment import Potentials


def check_plan(plan: Floats) -> None:
    """Raise `RunFailed` if `plan` is not finite or is zero."""
    if not np.isfinite(plan).all():
        raise RunFailed("the transport plan has non-finite entries")
    if not plan.sum() > 0:
        raise RunFailed("the transport plan is zero")


def draw_with_replacement(plan: Floats, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """N pairs (i, j) ~ P, independently, as the authors' code draws them: shapes (n,), (n,)."""
    drawn = rng.choice(plan.size, p=(plan / plan.sum()).ravel(), size=len(plan))
    return np.divmod(drawn, plan.shape[1])


@dataclass(frozen=True)
class Minibatch:
    """Source and target points (n, ...) to be paired, the path's sigma, and optional duals to start from.

    The potentials come from a reference sample of the same two distributions and only save time.
    """

    x0: Floats
    x1: Floats
    sigma: float
    potentials: Potentials | None = None

    def permutation(self) -> Indices:
        """The exact minibatch plan: x0[i] goes with x1[permutation[i]], every point once."""
        if len(self.x0) != len(self.x1):
            raise RunFailed(f"exact coupling needs batches of equal size, got {len(self.x0)} and {len(self.x1)}")
        from cfm.couplings.assignment import assign

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
    from cfm.couplings.entropic import entropic_partners

    partners = entropic_partners(flat(batch.x0), flat(batch.x1), 2 * batch.sigma**2, rng)
    return np.arange(len(partners)), partners


def _entropic_float32(batch: Minibatch, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """The authors' route: plain Sinkhorn on a float32 cost, pairs drawn with replacement, unchecked.

    exp(-C / epsilon) is zero in float32 where C > 103 epsilon. Once a whole row vanishes POT stops at the
    first iteration and returns the unscaled kernel, whose mass sits on the closest pairs: the pairs then
    have x1 close to x0 and the learned velocity is nearly zero. Kept to show that this, and not the
    entropic coupling, is the collapse of SB-CFM that was published (docs/conventions.md).
    """
    from scipy.spatial.distance import cdist

    from cfm.couplings.assignment import pot

    cost = cdist(flat(batch.x0), flat(batch.x1), "sqeuclidean").astype(np.float32)
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
