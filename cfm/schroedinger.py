r"""The Schroedinger bridge between two distributions, with Brownian motion of width sigma as its reference.

Of all laws of paths from q0 to q1 it is the nearest, in Kullback-Leibler divergence, to that of sigma W_t. Its ends
follow the entropic plan with epsilon = 2 sigma^2 for the cost |x0 - x1|^2,

    pi(x0, x1) = a(x0) b(x1) exp(-|x0 - x1|^2 / (2 sigma^2)),

and given its ends it is a Brownian bridge, of mean (1 - t) x0 + t x1 and variance sigma^2 t (1 - t) (Foellmer 1988;
section 3 of the paper).
"""

from __future__ import annotations

import numpy as np

from cfm.types import Floats, Points

# Where the true bridge is known, and methods are compared with it: a solver's 20 equal steps.
TIMES = np.linspace(0, 1, 21, dtype=np.float32)


def brownian_bridges(x0: Floats, x1: Floats, sigma: float, rng: np.random.Generator) -> Points:
    """Paths (1 - t) x0 + t x1 + sigma (W_t - t W_1) at `TIMES` between ends (n, dim), shape (T, n, dim)."""
    t = TIMES.astype(np.float64)[:, None, None]
    steps = rng.standard_normal((len(t) - 1, *x0.shape)) * np.sqrt(np.diff(t, axis=0))
    motion = np.concatenate([np.zeros((1, *x0.shape)), np.cumsum(steps, axis=0)])
    paths: Points = ((1 - t) * x0 + t * x1 + sigma * (motion - t * motion[-1])).astype(np.float32)
    return paths


def gaussian_covariance(std0: float, std1: float, sigma: float) -> float:
    """Cov(x0, x1) in each coordinate of the entropic plan between N(m0, std0^2 I) and N(m1, std1^2 I).

    c = (sqrt(4 std0^2 std1^2 + sigma^4) - sigma^2) / 2 (Janati et al. 2020; Bunne et al. 2023): the root of
    c / (std0^2 std1^2 - c^2) = 1 / sigma^2, as the off-diagonal of the plan's precision is -1 / sigma^2.
    """
    return float((np.sqrt(4 * std0**2 * std1**2 + sigma**4) - sigma**2) / 2)


def gaussian_variance(t: Floats, std0: float, std1: float, sigma: float) -> Floats:
    """Variance of the bridge in each coordinate at times `t`:

    (1 - t)^2 std0^2 + t^2 std1^2 + 2 t (1 - t) c + sigma^2 t (1 - t), c as `gaussian_covariance` has it.
    """
    c = gaussian_covariance(std0, std1, sigma)
    variance: Floats = ((1 - t) * std0) ** 2 + (t * std1) ** 2 + t * (1 - t) * (2 * c + sigma**2)
    return variance
