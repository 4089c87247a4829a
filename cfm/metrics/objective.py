"""How noisy the regression target of flow matching is. Stage `objective` measures it, no sample enters."""

from __future__ import annotations

from cfm.metrics.base import Metric

METRICS = {
    "objective_variance": Metric(
        None, "variance of the objective", unit="data units²", better="lower", per_test_set=False
    )
}
