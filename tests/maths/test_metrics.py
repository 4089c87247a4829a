"""Metrics against closed forms."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from cfm.couplings.assignment import wasserstein2_squared
from cfm.metrics import METRICS
from cfm.metrics.base import Evaluation


def _evaluation(**changes: object) -> Evaluation:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((3, 50, 2)).astype(np.float32)
    values = {
        "x0": points[0],
        "x1": points[1],
        "target": points[2],
        "energy": np.full(50, 6.0, np.float32),
        "nfe": 7,
        "sample_seconds": 0.5,
        "train_seconds": None,
        "learning_w2": 0.7,
        "source_target": 4.0,
    }
    return Evaluation(**{**values, **changes})  # type: ignore[arg-type]


def test_w2_of_a_translation_is_its_length() -> None:
    points = np.random.default_rng(0).standard_normal((300, 3))
    assert wasserstein2_squared(points, points + np.array([3.0, 4.0, 0.0])) == pytest.approx(25)


def test_w2_on_the_line_is_the_distance_of_sorted_points() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 400, 1)) * [[[1.0]], [[3.0]]]
    assert wasserstein2_squared(x, y) == pytest.approx(((np.sort(x, 0) - np.sort(y, 0)) ** 2).mean())


def test_w2_equals_the_assignment_problem() -> None:
    x, y = np.random.default_rng(1).standard_normal((2, 200, 2))
    cost = cdist(x, y, "sqeuclidean")
    assert wasserstein2_squared(x, y) == pytest.approx(cost[linear_sum_assignment(cost)].mean())


def test_w2_of_gaussians_approaches_the_bures_formula() -> None:
    """W2^2(N(0, I), N(m, s^2 I)) = |m|^2 + d (s - 1)^2."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((1500, 2)), 3 * rng.standard_normal((1500, 2)) + np.array([2.0, 0.0])
    assert wasserstein2_squared(x, y) == pytest.approx(4 + 2 * 4, rel=0.06)


def test_w2_is_the_root() -> None:
    e = _evaluation()
    assert METRICS["w2"].compute(e) ** 2 == pytest.approx(METRICS["w2_squared"].compute(e))  # type: ignore[operator]


def test_npe_is_the_relative_excess_over_the_distance_of_source_and_target() -> None:
    assert METRICS["npe"].compute(_evaluation()) == pytest.approx(0.5)
    assert METRICS["npe"].compute(_evaluation(energy=np.full(50, 4.0))) == pytest.approx(0)


def test_what_does_not_move_has_a_path_error_of_one() -> None:
    e = _evaluation()
    assert METRICS["npe"].compute(_evaluation(x1=e.x0, energy=np.zeros(50))) == pytest.approx(1)


def test_a_metric_that_does_not_apply_is_none() -> None:
    assert METRICS["train_seconds"].compute(_evaluation()) is None
    assert METRICS["learning_w2"].compute(_evaluation()) == 0.7
    assert METRICS["learning_w2"].compute(_evaluation(learning_w2=None)) is None
    assert METRICS["npe"].compute(_evaluation(source_target=None)) is None
    assert METRICS["objective_variance"].compute is None  # another stage's


def test_unequal_samples_raise() -> None:
    with pytest.raises(ValueError, match="one shape"):
        wasserstein2_squared(np.zeros((3, 2)), np.zeros((4, 2)))
