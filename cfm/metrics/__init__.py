"""Every metric by name."""

from cfm.metrics import cost, path_energy, wasserstein
from cfm.metrics.base import Metric

METRICS: dict[str, Metric] = {**wasserstein.METRICS, **path_energy.METRICS, **cost.METRICS}
