"""Metrics of log densities: of the test set under the model, and of the target at the model's samples.

With q the model's density, R the target's, unnormalised, and x_i ~ q, the weights w_i = R(x_i) / q(x_i) give

    log Z = log mean w,      effective sample size (sum w)^2 / sum w^2,  here as a share of n.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from cfm.datasets.sampling.importance import log_mean, require_effective
from cfm.metrics.base import Evaluation, Metric
from cfm.types import Points

# Cells of the grid along each side, and how far it goes beyond the test set, in parts of its extent.
_CELLS, _BEYOND = 100, 0.25


def grid(test: Points) -> tuple[Points, Points]:
    """Centres of the cells along both axes of the box around a test set (n, 2) and some way beyond."""
    low, high = test.min(axis=0), test.max(axis=0)
    margin = _BEYOND * (high - low)
    edges = np.linspace(low - margin, high + margin, 2 * _CELLS + 1, dtype=np.float32)
    return edges[1::2, 0], edges[1::2, 1]


def _weights(evaluation: Evaluation) -> Points | None:
    stored = evaluation.stored
    if "log_target" not in stored or "log_density" not in stored:
        return None
    weights: Points = stored["log_target"] - stored["log_density"]
    require_effective(weights)
    return weights


def log_z(evaluation: Evaluation) -> float | None:
    """The estimate of log Z; raises RunFailed if the weights have collapsed, as everything here does."""
    weights = _weights(evaluation)
    return None if weights is None else log_mean(weights)


def log_z_bias(evaluation: Evaluation) -> float | None:
    """The estimate minus the truth, where that is known."""
    found = log_z(evaluation)
    known = evaluation.known.get("log_normaliser")
    return None if found is None or known is None else found - float(known)


def log_z_error(evaluation: Evaluation) -> float | None:
    """The absolute value of the bias."""
    bias = log_z_bias(evaluation)
    return None if bias is None else abs(bias)


def effective_share(evaluation: Evaluation) -> float | None:
    """The effective sample size as a share of the samples."""
    weights = _weights(evaluation)
    return None if weights is None else require_effective(weights)


def nll(evaluation: Evaluation) -> float | None:
    """Mean of -log q over the test set."""
    found = evaluation.stored.get("test_log_density")
    return None if found is None else -float(found.mean(dtype=np.float64))


def nll_error(evaluation: Evaluation) -> float | None:
    """Standard error of `nll` that comes from Hutchinson's estimates, independent between points."""
    errors = evaluation.stored.get("test_log_density_error")
    return None if errors is None else float(np.sqrt(np.square(errors.astype(np.float64)).sum()) / len(errors))


def bits_per_dim(evaluation: Evaluation) -> float | None:
    """-log2 of the probability of a test image per pixel, for images whose grey levels are one unit apart.

    They are noised by one unit and scaled; `log_scale` is the logarithm of what a unit of volume became.
    """
    found, scale = nll(evaluation), evaluation.known.get("log_scale")
    if found is None or scale is None:
        return None
    return (found - float(scale)) / (evaluation.target.shape[1] * math.log(2))


def mass_error(evaluation: Evaluation) -> float | None:
    """The integral of q over a box around the test set, in the plane, minus 1: zero for a density that lies there."""
    found = evaluation.stored.get("grid_log_density")
    if found is None:
        return None
    x, y = (axis.astype(np.float64) for axis in grid(evaluation.target))
    return float(np.exp(found.astype(np.float64)).sum() * (x[1] - x[0]) * (y[1] - y[0])) - 1


def mean_error(evaluation: Evaluation) -> float | None:
    """The largest difference of means over the coordinates, in standard deviations of the test set."""
    target = evaluation.target.astype(np.float64)
    return float(np.abs((evaluation.x1.mean(axis=0) - target.mean(axis=0)) / target.std(axis=0)).max())


def std_error(evaluation: Evaluation) -> float | None:
    """The largest relative difference of standard deviations over the coordinates."""
    target = evaluation.target.astype(np.float64)
    return float(np.abs(evaluation.x1.std(axis=0) / target.std(axis=0) - 1).max())


def _known(name: str) -> Callable[[Evaluation], float | None]:
    def metric(evaluation: Evaluation) -> float | None:
        return float(evaluation.known[name]) if name in evaluation.known else None

    return metric


METRICS = {
    "log_z": Metric(log_z, "estimate of log Z", unit="nats", better=None, per_test_set=False),
    "log_z_bias": Metric(log_z_bias, "bias of log Z", unit="nats", better="zero", per_test_set=False),
    "log_z_error": Metric(log_z_error, "error of log Z", unit="nats", better="lower", per_test_set=False),
    "effective_share": Metric(
        effective_share, "effective sample size", unit="of samples", better="higher", per_test_set=False
    ),
    "nll": Metric(nll, "negative log-likelihood", unit="nats", better="lower", per_test_set=False),
    "nll_error": Metric(
        nll_error, "standard error of the log-likelihood", unit="nats", better="lower", per_test_set=False
    ),
    "bits_per_dim": Metric(bits_per_dim, "bits per dimension", unit="bits", better="lower", per_test_set=False),
    "mass_error": Metric(
        mass_error, "total mass in the plane, minus 1", unit="probability", better="zero", per_test_set=False
    ),
    "mean_error": Metric(
        mean_error, "largest error of a mean", unit="standard deviations", better="lower", per_test_set=False
    ),
    "std_error": Metric(
        std_error, "largest error of a standard deviation", unit="relative", better="lower", per_test_set=False
    ),
    "mcmc_r_hat": Metric(
        _known("mcmc_r_hat"), "largest R-hat of the Markov chains", unit="ratio", better="lower", per_test_set=False
    ),
    "mcmc_acceptance": Metric(
        _known("mcmc_acceptance"),
        "acceptance of the Markov chains",
        unit="of proposals",
        better=None,
        per_test_set=False,
    ),
}
