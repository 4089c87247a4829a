"""How far a method's marginals are from those of the true Schroedinger bridge, over its times.

Where the bridge is known by samples: W2 (exact, between equally many points) averaged over the times, as in Table 3.
Where it is Gaussian: KL(N(m, S) | N(m_t, S_t)) of the Gaussian fitted to the samples from the exact marginal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from cfm.errors import RunFailed
from cfm.metrics.base import Evaluation, Metric
from cfm.types import Floats, Points, flat


def at_times(t: Points, x: Points, wanted: Points) -> Points:
    """A trajectory `x` (T, n, dim) at the wanted times, which must be among its own unless it is one straight line."""
    if len(t) == 2:
        weight = ((wanted - t[0]) / (t[1] - t[0]))[:, None, None]
        return (1 - weight) * x[0] + weight * x[1]
    places = np.abs(t[:, None] - wanted).argmin(axis=0)
    if not np.allclose(t[places], wanted, atol=1e-5):
        raise RunFailed("the trajectory was not stored at the times of the bridge: take a solver with 20 steps")
    return x[places]


def w2_over_time(x: Points, truth: Points) -> Floats:
    """Exact W2 between the points of two processes (T, n, dim) at each time, shape (T,)."""
    from cfm.couplings.assignment import wasserstein2_squared

    return np.array([math.sqrt(wasserstein2_squared(flat(a), flat(b))) for a, b in zip(x, truth, strict=True)])


def gaussian_kl(mean: Floats, covariance: Floats, mean_true: Floats, covariance_true: Floats) -> float:
    """KL(N(m, S) | N(m', S')) = 1/2 (tr(S'^-1 S) + (m' - m)^T S'^-1 (m' - m) - d + ln det S' / det S), in nats."""
    difference = mean_true - mean
    _, log_det = np.linalg.slogdet(covariance)
    _, log_det_true = np.linalg.slogdet(covariance_true)
    spread = np.trace(np.linalg.solve(covariance_true, covariance))
    shift = difference @ np.linalg.solve(covariance_true, difference)
    return float(spread + shift - len(mean) + log_det_true - log_det) / 2


def kl_over_time(x: Points, means: Points, covariances: Points) -> Floats:
    """KL of the Gaussian fitted to the points (T, n, dim) from N(m_t, S_t) at each time, shape (T,)."""
    points = x.astype(np.float64)
    fitted = ((p.mean(axis=0), np.cov(p, rowvar=False)) for p in points)
    exact = zip(means.astype(np.float64), covariances.astype(np.float64), strict=True)
    return np.array([gaussian_kl(*own, *true) for own, true in zip(fitted, exact, strict=True)])


def error_over_time(t: Points, x: Points, known: Mapping[str, Points]) -> Floats | None:
    """W2 or KL at the times of the bridge that a data set's arrays know, shape (T,); None if they know none."""
    if "bridge_t" not in known:
        return None
    points = at_times(t, x, known["bridge_t"])
    if "bridge_paths" in known:
        return w2_over_time(points, known["bridge_paths"])
    return kl_over_time(points, known["bridge_mean"], known["bridge_covariance"])


def _errors(evaluation: Evaluation, needed: str) -> Floats | None:
    if evaluation.trajectory is None or needed not in evaluation.known:
        return None
    return error_over_time(*evaluation.trajectory, evaluation.known)


def bridge_w2(evaluation: Evaluation) -> float | None:
    """Mean over 21 equidistant times of W2 between the marginals, in data units."""
    errors = _errors(evaluation, "bridge_paths")
    return None if errors is None else float(errors.mean())


def bridge_kl(evaluation: Evaluation) -> float | None:
    """Mean over 21 equidistant times of the KL divergence, in nats."""
    errors = _errors(evaluation, "bridge_mean")
    return None if errors is None else float(errors.mean())


def bridge_kl_end(evaluation: Evaluation) -> float | None:
    """The KL divergence at t = 1, in nats."""
    errors = _errors(evaluation, "bridge_mean")
    return None if errors is None else float(errors[-1])


METRICS = {
    "bridge_w2": Metric(bridge_w2, "mean W2 to the true bridge", unit="data units", better="lower", per_test_set=False),
    "bridge_kl": Metric(bridge_kl, "mean KL from the true bridge", unit="nats", better="lower", per_test_set=False),
    "bridge_kl_end": Metric(
        bridge_kl_end, "KL from the true bridge at t = 1", unit="nats", better="lower", per_test_set=False
    ),
}
