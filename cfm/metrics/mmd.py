"""Maximum mean discrepancy, squared, between transported and test points, for several kernels k:

    MMD^2 = mean k(x_i, x_j) + mean k(y_i, y_j) - 2 mean k(x_i, y_j),

the biased estimator (Gretton et al. 2012, eq. 5): pairs i = j count, so MMD^2 of two samples of one distribution is
above zero, by (k(x, x) - mean k) (1/n + 1/m) on average. In units of 10^-3, as the paper prints it. Which kernel it
used is not known; these are those of the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cfm.metrics.base import Evaluation, Metric
from cfm.types import Floats, flat

Kernel = Callable[[Floats, Floats], Floats]

_SIGMAS = (0.01, 0.1, 1.0, 10.0, 100.0)
_UNIT = 1e-3


def rbf(x: Floats, y: Floats) -> Floats:
    """Sum over sigma in 0.01, 0.1, 1, 10, 100 of exp(-|x - y|^2 / (2 sigma^2)): a sum, so k(x, x) = 5."""
    from scipy.spatial.distance import cdist

    squares = cdist(x, y, "sqeuclidean")
    return np.sum([np.exp(-squares / (2 * sigma**2)) for sigma in _SIGMAS], axis=0)


def polynomial(x: Floats, y: Floats) -> Floats:
    """(x.y + 2)^2: degree 2, factor 1, constant 2."""
    return (x @ y.T + 2) ** 2


def linear(x: Floats, y: Floats) -> Floats:
    """x.y, for which MMD^2 is the squared distance of the means."""
    return x @ y.T


def mmd_squared(x: Floats, y: Floats, kernel: Kernel) -> float:
    """MMD^2 of points (n, dim) and (m, dim)."""
    return float(kernel(x, x).mean() + kernel(y, y).mean() - 2 * kernel(x, y).mean())


def _metric(kernel: Kernel) -> Metric:
    def compute(evaluation: Evaluation) -> float:
        return mmd_squared(flat(evaluation.x1), flat(evaluation.target), kernel) / _UNIT

    return Metric(compute, f"MMD², {kernel.__name__} kernel", unit="10⁻³", better="lower")


METRICS = {f"mmd_{kernel.__name__}": _metric(kernel) for kernel in (rbf, polynomial, linear)}
