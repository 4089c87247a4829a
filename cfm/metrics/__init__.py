"""Every metric by name."""

from cfm.metrics import (
    bridge,
    cost,
    density,
    frechet,
    learning,
    mmd,
    objective,
    path_energy,
    photographs,
    translation,
    wasserstein,
)
from cfm.metrics.base import Metric

METRICS: dict[str, Metric] = {
    **wasserstein.METRICS,
    **path_energy.METRICS,
    **bridge.METRICS,
    **learning.METRICS,
    **objective.METRICS,
    **density.METRICS,
    **frechet.METRICS,
    **photographs.METRICS,
    **mmd.METRICS,
    **translation.METRICS,
    **cost.METRICS,
}


def metric_of(name: str) -> Metric:
    """The metric behind a name in `runs.csv`, which may end in `_large` (measured on the large test set)."""
    return METRICS[name.removesuffix("_large")]


def metric_label(name: str) -> str:
    """The words for such a name, in headings and at axes."""
    return metric_of(name).label + (", large set" if name.endswith("_large") else "")
