"""Importance sampling: points of one distribution, weighted, stand for another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cfm.errors import RunFailed
from cfm.types import Floats, Indices

# Below this share of effective points the weights say nothing: a few points have it all.
COLLAPSE = 0.01


def normalised(log_weights: Floats) -> npt.NDArray[np.float64]:
    """The weights (n,) with sum 1; raises RunFailed if one is NaN or infinite, or all are zero."""
    w = np.asarray(log_weights, dtype=np.float64)
    if np.isnan(w).any() or (w == np.inf).any():
        raise RunFailed("the importance weights are not finite")
    if not (w > -np.inf).any():
        raise RunFailed(f"none of {len(w)} points lies in the support of the density: all importance weights are zero")
    w = np.exp(w - w.max())
    found: npt.NDArray[np.float64] = w / w.sum()
    return found


def log_mean(log_weights: Floats) -> float:
    """Log of the mean weight: log Z, where the weights are an unnormalised density over that of the points.

    Points outside of a support have the weight 0, minus infinity here; they count. One at least is inside.
    """
    w = np.asarray(log_weights, dtype=np.float64)
    return float(w.max() + np.log(np.exp(w - w.max()).mean()))


def effective_share(log_weights: Floats) -> float:
    """The effective sample size (sum w)^2 / sum w^2 as a share of the n points (Kong 1992), from 1/n to 1."""
    return float(1 / np.square(normalised(log_weights)).sum() / len(log_weights))


def require_effective(log_weights: Floats, batch: int | None = None) -> float:
    """The effective share; raises RunFailed if the weights have collapsed.

    With `batch` it is the median over batches of that size: of a whole pool a single point may have it all.
    """
    n = min(batch or len(log_weights), len(log_weights))
    normalised(log_weights)  # none of a batch may have weight, but some of all
    parts = np.array_split(log_weights, len(log_weights) // n)
    share = float(np.median([effective_share(part) if (part > -np.inf).any() else 0.0 for part in parts]))
    if share < COLLAPSE:
        raise RunFailed(f"the importance weights collapsed: effective sample size {share:.2%} of {n}")
    return share


def resample(log_weights: Floats, rng: np.random.Generator) -> Indices:
    """As many indices as weights, each as often as its weight says, in random order.

    Systematic resampling: index i comes floor(n w_i) or ceil(n w_i) times, n w_i on average (Kitagawa 1996).
    """
    n, weights = len(log_weights), normalised(log_weights)
    places = (rng.random() + np.arange(n)) / n
    last = np.flatnonzero(weights)[-1]  # the sum may end a little below 1
    return rng.permutation(np.minimum(np.searchsorted(np.cumsum(weights), places, side="right"), last))
