"""The true Schroedinger bridge: closed form and simulation agree, and so does the distance of a process from it."""

import dataclasses
import math

import numpy as np
import pytest

from cfm import config as configuration
from cfm.couplings.entropic import entropic_pairs
from cfm.datasets.bridge import Bridge
from cfm.datasets.gaussian_bridge import GaussianBridge
from cfm.datasets.toy2d import Toy2d
from cfm.errors import RunFailed
from cfm.methods.base import Start
from cfm.methods.independent_bridge import IndependentBridge
from cfm.metrics import METRICS
from cfm.metrics.base import Evaluation
from cfm.metrics.bridge import at_times, gaussian_kl, kl_over_time, w2_over_time
from cfm.rng import stream
from cfm.schroedinger import TIMES, brownian_bridges, gaussian_covariance, gaussian_variance
from cfm.settings import Sizes, Solver

SIZES = Sizes(train=400, val=50, test=300, test_large=60)
SOLVER = Solver("rk4", steps=20)
GAUSSIAN = GaussianBridge(dimension=2, mean=1.0, source_std=1.0, target_std=0.5, sigma=1.0)


def _evaluation(x: np.ndarray, known: dict[str, np.ndarray], t: np.ndarray = TIMES) -> Evaluation:
    return Evaluation(x[0], x[-1], x[-1], None, 20, 0.1, None, None, None, (t, x), known)


def _value(name: str, evaluation: Evaluation) -> float:
    compute = METRICS[name].compute
    assert compute is not None
    value = compute(evaluation)
    assert value is not None
    return value


def _still(x0: np.ndarray) -> np.ndarray:
    return np.broadcast_to(x0, (len(TIMES), *x0.shape))


def test_brownian_bridges_have_their_moments() -> None:
    """Ends as given, mean (1 - t) x0 + t x1, Cov(x_s, x_t) = sigma^2 s (1 - t) for s < t."""
    x0, x1 = np.zeros((40_000, 1)), np.full((40_000, 1), 3.0)
    paths = brownian_bridges(x0, x1, 2.0, stream(0, "paths"))[..., 0]
    np.testing.assert_allclose(paths[[0, -1]], [x0[:, 0], x1[:, 0]], atol=1e-5)
    assert paths.mean(axis=1) == pytest.approx(3 * TIMES, abs=0.05)
    assert paths.var(axis=1) == pytest.approx(4 * TIMES * (1 - TIMES), abs=0.03)
    assert np.cov(paths[4], paths[14])[0, 1] == pytest.approx(4 * 0.2 * 0.3, abs=0.03)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_epsilon_is_two_sigma_squared(sigma: float) -> None:
    """The plan of cost |x0 - x1|^2 at 2 sigma^2 has the closed form's covariance; at sigma^2 it has not."""
    x0, x1 = (std * stream(0, name).standard_normal((1500, 1)) for name, std in (("a", 1.0), ("b", 0.5)))
    expected, found = gaussian_covariance(1.0, 0.5, sigma), {}
    for factor in (1, 2):
        i, j = entropic_pairs(x0, x1, factor * sigma**2, 30_000, stream(1, "pairs"))
        found[factor] = np.cov(x0[i, 0], x1[j, 0])[0, 1]
    assert found[2] == pytest.approx(expected, abs=0.03)
    assert abs(found[1] - expected) > 0.04


def test_the_closed_form_has_its_limits() -> None:
    """Optimal transport for sigma to 0, independence for sigma to infinity, and the ends' own variances."""
    assert gaussian_covariance(1.0, 0.5, 1e-3) == pytest.approx(0.5, abs=1e-6)
    assert gaussian_covariance(1.0, 0.5, 1e3) == pytest.approx(0, abs=1e-6)
    assert gaussian_variance(np.array([0.0, 1.0]), 2.0, 0.5, 1.0) == pytest.approx([4, 0.25])
    assert gaussian_variance(np.array([0.5]), 1.0, 1.0, 1.0) == pytest.approx([0.5 + (math.sqrt(5) - 1) / 4 + 0.25])


def test_paths_of_the_gaussian_bridge_have_the_stored_marginals() -> None:
    arrays = GAUSSIAN.prepare(SIZES)
    paths = GAUSSIAN.draw_bridge(40_000, stream(0, "paths"))
    assert kl_over_time(paths, arrays["bridge_mean"], arrays["bridge_covariance"]).max() < 5e-4
    wider = dataclasses.replace(GAUSSIAN, sigma=1.5).draw_bridge(40_000, stream(0, "paths"))
    assert kl_over_time(wider, arrays["bridge_mean"], arrays["bridge_covariance"]).max() > 0.02


def test_the_simulated_truth_agrees_with_the_closed_form() -> None:
    """What the two-dimensional problems have for their truth, between Gaussians: plan of a sample, Brownian bridges."""
    data = dataclasses.replace(GAUSSIAN, sigma=0.5)
    arrays = data.prepare(dataclasses.replace(SIZES, test=2000))
    x0, x1 = (arrays[f"test_{k}"].astype(np.float64) for k in range(2))
    i, j = entropic_pairs(x0, x1, 2 * 0.5**2, 20_000, stream(0, "pairs"))
    for ends, low, high in ((j, 0.0, 0.01), (stream(0, "any").permutation(j), 0.05, 1.0)):
        paths = brownian_bridges(x0[i], x1[ends], 0.5, stream(0, "paths"))
        assert low < kl_over_time(paths, arrays["bridge_mean"], arrays["bridge_covariance"]).max() < high


def test_kl_of_gaussians() -> None:
    """KL(N(0, 1) | N(1, 4)) = (1/4 + 1/4 - 1 + ln 4) / 2, per coordinate; not symmetric, zero for the same."""
    one = np.zeros(3), np.eye(3)
    other = np.ones(3), 4 * np.eye(3)
    assert gaussian_kl(*one, *other) == pytest.approx(3 * (0.5 - 1 + math.log(4)) / 2)
    assert gaussian_kl(*other, *one) == pytest.approx(3 * (4 + 1 - 1 - math.log(4)) / 2)
    assert gaussian_kl(*other, *other) == pytest.approx(0)


def test_w2_over_time_of_a_shift_is_its_length() -> None:
    x = stream(0, "x").standard_normal((4, 60, 2))
    shift = np.arange(4)[:, None, None] * np.array([3.0, 4.0])
    assert w2_over_time(x, x + shift) == pytest.approx([0, 5, 10, 15])


def test_times_are_those_that_are_stored() -> None:
    """A straight line is known at any time; what is stored at other times than the bridge's is a failed run."""
    x = np.stack([np.zeros((5, 2)), np.ones((5, 2))]).astype(np.float32)
    middle = at_times(np.array([0.0, 1.0], np.float32), x, np.array([0.0, 0.25, 1.0], np.float32))
    assert middle[:, 0, 0] == pytest.approx([0, 0.25, 1])
    fine = np.linspace(0, 1, 41, dtype=np.float32)
    np.testing.assert_array_equal(at_times(fine, fine[:, None, None], TIMES)[:, 0, 0], TIMES)
    with pytest.raises(RunFailed, match="20 steps"):
        at_times(np.linspace(0, 1, 26), np.zeros((26, 5, 2)), TIMES)


def test_metrics_of_the_bridge() -> None:
    """Zero for the truth itself, its floor for other samples of it, more for anything else; None where not known."""
    data = Bridge("moons_wide", "8gaussians_wide", sigma=1.0)
    known = data.prepare(SIZES)
    truth = known["bridge_paths"]
    assert _value("bridge_w2", _evaluation(truth, known)) == 0
    floor = _value("bridge_w2", _evaluation(data.draw_bridge(300, stream(1, "a")), known))
    x0 = truth[0, stream(1, "shuffled").permutation(300)]
    start = Start(x0, data, stream(1, "b"))
    assert (
        0.1
        < floor
        < 0.7 * _value("bridge_w2", _evaluation(IndependentBridge(1.0).sample(None, start, SOLVER).x, known))
    )
    assert floor < 0.7 * _value("bridge_w2", _evaluation(_still(x0), known))
    line = _evaluation(np.stack([x0, x0]), known, np.array([0.0, 1.0], np.float32))
    assert _value("bridge_w2", line) == pytest.approx(_value("bridge_w2", _evaluation(_still(x0), known)))
    compute = METRICS["bridge_kl"].compute
    assert compute is not None and compute(_evaluation(truth, known)) is None
    assert compute(dataclasses.replace(_evaluation(truth, known), trajectory=None)) is None


def test_metrics_of_the_gaussian_bridge() -> None:
    known = GAUSSIAN.prepare(SIZES)
    x = GAUSSIAN.draw_bridge(5000, stream(0, "x"))
    moved = x + np.where(TIMES == 1, np.float32(0.5), np.float32(0))[:, None, None]
    assert _value("bridge_kl_end", _evaluation(x, known)) < 2e-3
    # The target's variance is 1/4, so a shift by (1/2, 1/2) at t = 1 is 1/2 (1 + 1) = 1 nat.
    assert _value("bridge_kl_end", _evaluation(moved, known)) == pytest.approx(1, abs=0.1)
    assert _value("bridge_kl", _evaluation(moved, known)) == pytest.approx(1 / 21, abs=0.01)


def test_the_truth_is_no_part_of_the_other_samples() -> None:
    """The points are the plain problem's; the paths' ends are drawn apart."""
    data = Bridge("moons_wide", "8gaussians_wide", sigma=1.0)
    arrays, plain = data.prepare(SIZES), Toy2d("moons_wide", "8gaussians_wide").prepare(SIZES)
    for name, points in plain.items():
        np.testing.assert_array_equal(arrays[name], points)
        assert not (arrays["bridge_paths"][int(name[-1]) - 1, :, None] == points).all(2).any()
    assert arrays["bridge_paths"].shape == (21, 300, 2)


def test_fewer_training_points_change_nothing_else() -> None:
    whole, few = GAUSSIAN.prepare(SIZES), dataclasses.replace(GAUSSIAN, points=30).prepare(SIZES)
    for name, points in whole.items():
        np.testing.assert_array_equal(few[name], points[:30] if name.startswith("train") else points)
        assert name.startswith("bridge") or points.shape[1] == 2


def test_a_small_plan_serves_many_paths() -> None:
    paths = Bridge("gaussian", "moons", sigma=1.0).draw_bridge(50, stream(0, "x"), plan=20)
    assert paths.shape == (21, 50, 2) and len(np.unique(paths[0], axis=0)) == 20


def test_methods_learn_the_bridge_they_are_measured_against() -> None:
    """The width is written twice, for the data's truth and for the method: they must be the same."""
    config = configuration.load("paper")
    for name in ("bridges", "bridge_truth", "bridge_batch", "gaussian_bridges"):
        for dataset, method in config.pairs(name):
            sigma = getattr(config.methods[method].method, "sigma", 1.0)
            assert sigma == getattr(config.datasets[dataset].dataset, "sigma", None), (dataset, method)
