"""MMD against its definition and closed forms; the metrics of translation against cases whose answer is known."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from cfm.metrics import METRICS
from cfm.metrics.base import Evaluation
from cfm.metrics.mmd import linear, mmd_squared, polynomial, rbf

SCALARS = {
    rbf: lambda a, b: sum(math.exp(-(math.dist(a, b) ** 2) / (2 * s**2)) for s in (0.01, 0.1, 1, 10, 100)),
    polynomial: lambda a, b: (1 * sum(p * q for p, q in zip(a, b, strict=True)) + 2) ** 2,
    linear: lambda a, b: sum(p * q for p, q in zip(a, b, strict=True)),
}
KERNELS = pytest.mark.parametrize("kernel", SCALARS, ids=lambda kernel: kernel.__name__)


def _points(seed: int, n: int, dim: int = 3, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).standard_normal((n, dim))


@KERNELS
@pytest.mark.parametrize("scale", [0.01, 1.0, 5.0])  # every width of the mixture matters somewhere
def test_mmd_is_the_double_loop(kernel, scale: float) -> None:  # type: ignore[no-untyped-def]
    x, y, k = _points(0, 7, scale=scale), _points(1, 5, scale=scale) + 0.5 * scale, SCALARS[kernel]

    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return sum(k(p, q) for p, q in itertools.product(a.tolist(), b.tolist())) / (len(a) * len(b))

    assert mmd_squared(x, y, kernel) == pytest.approx(mean(x, x) + mean(y, y) - 2 * mean(x, y), rel=1e-9, abs=1e-12)


@KERNELS
def test_mmd_of_a_sample_and_itself_is_zero_and_that_of_two_is_symmetric(kernel) -> None:  # type: ignore[no-untyped-def]
    x, y = _points(0, 40), _points(1, 30) + 1
    assert mmd_squared(x, x, kernel) == pytest.approx(0, abs=1e-12)
    assert mmd_squared(x, x[::-1], kernel) == pytest.approx(0, abs=1e-12)  # the order does not matter
    assert mmd_squared(x, y, kernel) == pytest.approx(mmd_squared(y, x, kernel)) and mmd_squared(x, y, kernel) > 0.01


def test_the_linear_kernel_compares_means_and_the_polynomial_one_second_moments_too() -> None:
    """For (x.y + 2)^2 = (x.y)^2 + 4 x.y + 4: |E xx' - E yy'|_F^2 + 4 |E x - E y|^2."""
    x, y = _points(0, 50), 2 * _points(1, 60) + np.array([1.0, 0.0, -2.0])
    means = ((x.mean(0) - y.mean(0)) ** 2).sum()
    moments = ((x.T @ x / len(x) - y.T @ y / len(y)) ** 2).sum()
    assert mmd_squared(x, y, linear) == pytest.approx(means)
    assert mmd_squared(x, y, polynomial) == pytest.approx(moments + 4 * means)


def test_the_biased_estimator_is_above_zero_by_what_the_docstring_says() -> None:
    """In 128 dimensions the three narrow kernels see nothing but pairs i = j: each adds 1/n + 1/m."""
    n, m = 200, 300
    x, y = _points(0, n, 128), _points(1, m, 128)
    narrow = 3 * (1 / n + 1 / m)
    between = sum(1 - math.exp(-256 / (2 * s**2)) for s in (10, 100)) * (1 / n + 1 / m)
    assert mmd_squared(x, y, rbf) == pytest.approx(narrow + between, rel=0.05)


def _evaluation(x0: np.ndarray, x1: np.ndarray, target: np.ndarray, **known: np.ndarray) -> Evaluation:
    floats = [points.astype(np.float32) for points in (x0, x1, target)]
    return Evaluation(*floats, None, 0, 0.0, None, None, None, known=known)


def test_metrics_are_in_thousandths_and_of_the_end_points() -> None:
    x0, x1, target = _points(0, 20), _points(1, 20) + 3, _points(2, 25)
    e = _evaluation(x0, x1, target)
    for kernel in SCALARS:
        value = METRICS[f"mmd_{kernel.__name__}"].compute(e)  # type: ignore[misc]
        assert value == pytest.approx(1000 * mmd_squared(x1, target, kernel), rel=1e-4)
        assert METRICS[f"mmd_{kernel.__name__}"].better == "lower"


def test_the_share_with_the_attribute_is_counted() -> None:
    x1 = np.array([[1.0, 5.0], [0.4, -7.0], [-1.0, 9.0], [0.6, 0.0]])
    known = {"classifier_weight": np.array([2.0, 0.0]), "classifier_bias": np.array(-1.0)}
    e = _evaluation(x1, x1, x1, **known)  # the attribute is there where 2 x - 1 > 0
    compute = METRICS["attribute_share"].compute
    assert compute is not None and compute(e) == 0.5
    assert compute(dataclasses.replace(e, known={})) is None


def test_the_change_is_0_for_a_still_picture_and_1_for_an_unrelated_one() -> None:
    compute = METRICS["relative_change"].compute
    assert compute is not None
    x, other = _points(0, 400, 128), _points(1, 400, 128)
    assert compute(_evaluation(x, x, x)) == 0
    assert compute(_evaluation(x, other, x)) == pytest.approx(1, abs=0.01)
    # Two starts 4 apart that both go 3 to the side: their ends are 5 from the other's start.
    two = np.array([[0.0, 0.0], [4.0, 0.0]])
    assert compute(_evaluation(two, two + np.array([0.0, 3.0]), two)) == pytest.approx(3 / 5)
