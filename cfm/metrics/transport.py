"""Exact optimal transport between two samples of equal size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cfm.couplings import exact_permutation
from cfm.errors import RunFailed


def wasserstein2_squared(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> float:
    """W2^2 = min over permutations p of mean_i |x_i - y_p(i)|^2, exact; x, y of shape (n, d)."""
    if len(x) != len(y):
        raise RunFailed(f"W2 needs samples of equal size, got {len(x)} and {len(y)}")
    matched = y[exact_permutation(x, y)].astype(np.float64)
    return float(((x - matched) ** 2).reshape(len(x), -1).sum(axis=1).mean())
