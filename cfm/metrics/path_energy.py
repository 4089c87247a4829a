"""Path energy and normalised path error (NPE): is the flow the dynamic optimal transport map?

PE = E int_0^1 |v(t, x_t)|^2 dt along the ODE's solutions, and

    NPE = |PE - W2^2(q0, q1)| / W2^2(q0, q1)            ([SF]2M, eq. 22, after the paper)

which is zero for the optimal flow (Benamou & Brenier 2000).
"""

from __future__ import annotations

import numpy as np

from cfm.metrics.base import Evaluation, Metric


def path_energy(evaluation: Evaluation) -> float | None:
    """PE, the mean over the test points, in data units squared."""
    return None if evaluation.energy is None else float(np.mean(evaluation.energy, dtype=np.float64))


def npe(evaluation: Evaluation) -> float | None:
    """NPE with the W2^2 between the test source and the test target in the denominator."""
    energy, optimal = path_energy(evaluation), evaluation.source_target
    return None if energy is None or optimal is None else abs(energy - optimal) / optimal


METRICS = {
    "path_energy": Metric(path_energy, "path energy", unit="data units²", better=None),
    "npe": Metric(npe, "normalised path error", unit="ratio", better="lower"),
}
