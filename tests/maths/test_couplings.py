"""Couplings keep both marginals, reach the optimal cost, and never hide a plan that failed."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from cfm.couplings import entropic
from cfm.couplings.entropic import draw_partners, entropic_partners, entropic_plan
from cfm.couplings.minibatch import COUPLINGS, Minibatch, check_plan
from cfm.errors import RunFailed
from cfm.methods.flow_matching import FlowMatching
from cfm.rng import stream


def _clouds(seed: int, n: int, dim: int, scale: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x0 = rng.standard_normal((n, dim)).astype(np.float32)
    x1 = (scale * rng.standard_normal((n, dim)) + rng.integers(-2, 3, size=(n, 1))).astype(np.float32)
    return x0, x1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 40), dim=st.integers(1, 5))
def test_exact_is_an_optimal_permutation(seed: int, n: int, dim: int) -> None:
    """Every point of both batches exactly once, at the cost SciPy's Hungarian solver finds."""
    x0, x1 = _clouds(seed, n, dim)
    i, j = COUPLINGS["exact"].pairs(Minibatch(x0, x1, 0.1), stream(0, "test"))
    assert sorted(i) == sorted(j) == list(range(n))
    cost = cdist(x0, x1, "sqeuclidean")
    rows, columns = linear_sum_assignment(cost)
    assert cost[i, j].sum() == pytest.approx(cost[rows, columns].sum(), rel=1e-9)


def test_exact_survives_duplicates_and_identical_batches() -> None:
    points = np.repeat(_clouds(0, 8, 2)[0], 4, axis=0)
    i, j = COUPLINGS["exact"].pairs(Minibatch(points, points, 0.1), stream(0, "test"))
    assert sorted(j) == list(range(32))
    assert np.abs(points[i] - points[j]).max() == 0


def test_resampled_pairs_come_from_the_optimal_permutation_and_leave_points_out() -> None:
    """Drawing with replacement uses about 1 - 1/e of the points (the authors' code, their issue 142)."""
    x0, x1 = _clouds(1, 512, 2)
    _, permutation = COUPLINGS["exact"].pairs(Minibatch(x0, x1, 0.1), stream(0, "test"))
    i, j = COUPLINGS["exact_resampled"].pairs(Minibatch(x0, x1, 0.1), stream(0, "test"))
    assert (permutation[i] == j).all()
    assert len(set(i)) / 512 == pytest.approx(1 - 1 / np.e, abs=0.06)


@pytest.mark.parametrize("epsilon", [2.0, 0.5, 0.02, 0.001])
def test_entropic_plan_has_its_marginals_and_tends_to_the_exact_one(epsilon: float) -> None:
    """Marginals within tolerance at every epsilon, also where exp(-C / epsilon) is zero in float64."""
    x0, x1 = _clouds(2, 96, 2)
    plan = entropic_plan(x0, x1, epsilon)
    assert np.abs(plan.sum(0) - 1 / 96).sum() + np.abs(plan.sum(1) - 1 / 96).sum() <= 0.01
    cost = cdist(x0, x1, "sqeuclidean")
    optimal = cost[linear_sum_assignment(cost)].mean()
    excess = (plan * cost).sum() - optimal
    assert -0.01 * optimal <= excess <= epsilon * np.log(96) + 0.01 * optimal


def test_stabilised_plan_is_the_plan_of_the_plain_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subtracting dual potentials changes the numbers Sinkhorn sees, not the plan."""
    x0, x1 = _clouds(3, 64, 2)
    monkeypatch.setattr(entropic, "_TOLERANCE", 1e-9)
    plain = entropic_plan(x0, x1, 1.0)
    monkeypatch.setattr(entropic, "_KERNEL_RANGE", 0.0)
    np.testing.assert_allclose(entropic_plan(x0, x1, 1.0), plain, atol=1e-9)


def test_over_relaxation_saves_iterations_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On moons -> 8gaussians plain Sinkhorn needs more than 60 passes, the over-relaxed one fewer."""
    from cfm.datasets.toy2d import eight_gaussians_wide, moons_wide

    rng = stream(0, "clouds")
    x0, x1 = moons_wide(256, rng), eight_gaussians_wide(256, rng)
    monkeypatch.setattr(entropic, "_MAX_ITERATIONS", 60)
    entropic_plan(x0, x1, 2.0)
    monkeypatch.setattr(entropic, "_OVER_RELAXATION", 1.0)
    with pytest.raises(RunFailed, match="after 60 passes"):
        entropic_plan(x0, x1, 2.0)
    monkeypatch.setattr(entropic, "_MAX_ITERATIONS", 20_000)
    monkeypatch.setattr(entropic, "_TOLERANCE", 1e-9)
    plain = entropic_plan(x0, x1, 2.0)
    monkeypatch.setattr(entropic, "_OVER_RELAXATION", 1.7)
    np.testing.assert_allclose(entropic_plan(x0, x1, 2.0), plain, atol=1e-9)


@pytest.mark.parametrize("factor", [2.2, 3.0])
def test_plain_iterations_stand_in_where_relaxed_ones_do_not_converge(
    monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """A factor of 2 or more goes round in circles or overflows, anywhere."""
    x0, x1 = _clouds(5, 64, 2)
    monkeypatch.setattr(entropic, "_OVER_RELAXATION", 1.0)
    plain = entropic_plan(x0, x1, 1.0)
    monkeypatch.setattr(entropic, "_OVER_RELAXATION", factor)
    np.testing.assert_array_equal(entropic_plan(x0, x1, 1.0), plain)


def test_batches_with_far_outliers_have_a_plan() -> None:
    """As single cells are: on one batch in two hundred of these, over-relaxation overflows at its first step."""
    for seed in range(400):
        rng = stream(seed, "outliers")
        x0, x1 = rng.standard_normal((16, 2)), rng.standard_t(2, (16, 2)) + 3
        plan = entropic_plan(x0, x1, max(2.0, cdist(x0, x1, "sqeuclidean").max() / 600))
        assert np.abs(plan.sum(0) - 1 / 16).sum() + np.abs(plan.sum(1) - 1 / 16).sum() <= 0.01


def test_entropic_plan_is_pots(monkeypatch: pytest.MonkeyPatch) -> None:
    """A well-kept library as referee: POT's log-domain Sinkhorn."""
    import ot

    monkeypatch.setattr(entropic, "_TOLERANCE", 1e-10)
    x0, x1 = _clouds(7, 48, 3)
    weights = np.full(48, 1 / 48)
    for epsilon in (5.0, 0.7):
        reference = ot.sinkhorn(
            weights,
            weights,
            cdist(x0, x1, "sqeuclidean"),
            epsilon,
            method="sinkhorn_log",
            stopThr=1e-12,
            numItermax=50_000,
        )
        np.testing.assert_allclose(entropic_plan(x0, x1, epsilon), reference, atol=1e-9)


def test_sinkhorn_that_does_not_converge_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entropic, "_MAX_ITERATIONS", 2)
    with pytest.raises(RunFailed, match="after 2 passes"):
        entropic_plan(*_clouds(8, 32, 2), 0.01)


def test_entropic_plan_is_the_closed_form_for_two_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """For two points each, P_11 = 1 / (2 + 2 exp(-D / (2 epsilon))) with D = C_12 + C_21 - C_11 - C_22."""
    monkeypatch.setattr(entropic, "_TOLERANCE", 1e-9)
    x0, x1 = np.array([[0.0], [1.0]]), np.array([[0.1], [0.7]])
    cost = cdist(x0, x1, "sqeuclidean")
    difference = cost[0, 1] + cost[1, 0] - cost[0, 0] - cost[1, 1]
    for epsilon in (0.2, 1.0):
        expected = 0.5 / (1 + np.exp(-difference / (2 * epsilon)))
        assert entropic_plan(x0, x1, epsilon)[0, 0] == pytest.approx(expected, abs=1e-8)


def test_pairs_given_rows_follow_the_plan() -> None:
    """Each source point once; its partners follow P(j | i) (chi-squared within five deviations)."""
    rng = np.random.default_rng(0)
    plan = rng.random((4, 6))
    plan, scaling = plan / plan.sum(), rng.random(6)
    counts = np.zeros_like(plan)
    for step in range(4000):
        uniform = stream(0, "draw", step).random(4)
        counts[np.arange(4), draw_partners(plan / scaling, scaling, uniform)] += 1
    expected = 4000 * plan / plan.sum(1, keepdims=True)
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic < 20 + 5 * np.sqrt(2 * 20)


def test_partners_are_drawn_from_the_plan_by_inversion() -> None:
    """The fused loops against NumPy: the plan's rows, cumulative sums, searchsorted."""
    x0, x1 = (x.astype(np.float64) for x in _clouds(9, 200, 2))
    uniform = stream(1, "draw").random(200)
    cumulative = entropic_plan(x0, x1, 2.0).cumsum(axis=1)
    expected = [np.searchsorted(row, r * row[-1], side="right") for row, r in zip(cumulative, uniform, strict=True)]
    np.testing.assert_array_equal(entropic_partners(x0, x1, 2.0, stream(1, "draw")), expected)


@pytest.mark.parametrize("name", COUPLINGS)
def test_every_coupling_returns_valid_pairs_and_repeats_itself(name: str) -> None:
    x0, x1 = _clouds(4, 128, 2, scale=1.0)
    first = COUPLINGS[name].pairs(Minibatch(x0, x1, 0.5), stream(7, "test", 3))
    again = COUPLINGS[name].pairs(Minibatch(x0, x1, 0.5), stream(7, "test", 3))
    for a, b in zip(first, again, strict=True):
        assert a.shape == (128,) and a.min() >= 0 and a.max() < 128
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", [n for n in COUPLINGS if n != "independent"])
def test_non_finite_points_raise(name: str) -> None:
    x0, x1 = _clouds(5, 16, 2)
    x0[3] = np.nan
    with pytest.raises(RunFailed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        COUPLINGS[name].pairs(Minibatch(x0, x1, 0.5), stream(0, "test"))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (np.full((2, 2), np.nan), "non-finite"),
        (np.zeros((2, 2)), "zero"),
    ],
)
def test_bad_plans_raise(plan: np.ndarray, message: str) -> None:
    with pytest.raises(RunFailed, match=message):
        check_plan(plan)


def test_a_zero_float32_kernel_raises_instead_of_pairing_at_random() -> None:
    """Where the authors' code warns and goes on with the uniform plan, the run fails."""
    x0, x1 = _clouds(6, 16, 2)
    with pytest.raises(RunFailed, match="zero"):
        COUPLINGS["entropic_float32"].pairs(Minibatch(x0, x1 + 100, 0.1), stream(0, "test"))


def test_float32_kernel_pairs_neighbours_at_small_sigma() -> None:
    """The collapse: the pairs of the float32 kernel are far closer than optimal ones, so u_t is nearly 0."""
    rng = stream(0, "data")
    x0 = rng.standard_normal((512, 2)).astype(np.float32)
    angle = rng.integers(8, size=512) * np.pi / 4
    x1 = (5 * np.stack([np.cos(angle), np.sin(angle)], 1) + rng.standard_normal((512, 2))).astype(np.float32)

    def energy(name: str) -> float:
        i, j = COUPLINGS[name].pairs(Minibatch(x0, x1, 0.1), stream(0, "pairs"))
        return float(((x1[j] - x0[i]) ** 2).sum(1).mean())

    assert energy("entropic_float32") < 0.01 * energy("exact")
    assert energy("entropic") == pytest.approx(energy("exact"), rel=0.05)


@pytest.mark.parametrize("size", [1, 4, 8, 30, 64])
def test_blocks_are_coupled_each_for_itself(size: int) -> None:
    """Each block of the batch has its own optimal permutation, also the last and smaller one."""
    rng = np.random.default_rng(size)
    x0, x1 = rng.standard_normal((30, 2)).astype(np.float32), 2 + rng.standard_normal((30, 2)).astype(np.float32)
    method = FlowMatching("exact", "linear", 0.1, ot_batch=size)
    i, j = method.couple(x0, x1, rng, method.potentials(x0, x1))
    np.testing.assert_array_equal(i, np.arange(30))
    for first in range(0, 30, size):
        rows = slice(first, first + size)
        assert sorted(j[rows]) == list(range(30))[rows]
        cost = cdist(x0[rows].astype(float), x1[rows].astype(float), "sqeuclidean")
        best = cost[linear_sum_assignment(cost)].sum()
        assert ((x0[i[rows]] - x1[j[rows]]) ** 2).sum() == pytest.approx(best, rel=1e-5)
