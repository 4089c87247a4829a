"""cfm.couplings.assignment against the dense network simplex and a closed form."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from cfm.couplings import assignment
from cfm.couplings.assignment import Potentials, assign, reference_potentials, wasserstein2_squared
from cfm.errors import RunFailed


def gaussian(rng, n, d=2):
    return rng.standard_normal((n, d))


def ring(rng, n, d=2, clusters=8, radius=5.0, std=1.0):
    centres = np.zeros((clusters, d))
    angle = 2 * np.pi * np.arange(clusters) / clusters
    centres[:, :2] = radius * np.column_stack([np.cos(angle), np.sin(angle)])
    return centres[rng.integers(0, clusters, n)] + std * rng.standard_normal((n, d))


def grid(rng, n, d=2):
    return rng.integers(0, 12, (n, d)).astype(float)


def duplicated(rng, n, d=2):
    return gaussian(rng, n // 4 + 1, d)[rng.integers(0, n // 4 + 1, n)]


def tight(rng, n, d=2):
    return ring(rng, n, d, radius=50.0, std=0.01)


def far(rng, n, d=2):
    return 1e4 + gaussian(rng, n, d)


CLOUDS = [gaussian, ring, grid, duplicated, tight, far]


def dense_cost(x, y):
    import ot

    mass, cost = np.ones(len(x)), cdist(x, y, "sqeuclidean")
    return ot.emd2(mass, mass, cost, numItermax=10**8)


def check(x, y, potentials):
    permutation = assign(x, y, potentials)
    assert permutation.dtype == np.int64
    assert np.array_equal(np.sort(permutation), np.arange(len(x)))
    cost = ((x - y[permutation]) ** 2).sum()
    size = len(x) * (1 + cdist(x[:50], y[:50], "sqeuclidean").max())
    assert cost == pytest.approx(dense_cost(x, y), rel=1e-9, abs=1e-11 * size)
    return permutation


def potentials_of(source, target, d, m=200):
    rng = np.random.default_rng(99)
    return reference_potentials(source(rng, m, d), target(rng, m, d))


@pytest.mark.parametrize("d", [2, 5, 50])
@pytest.mark.parametrize("source", CLOUDS)
@pytest.mark.parametrize("target", CLOUDS)
def test_cost_equals_dense_solver(source, target, d):
    rng = np.random.default_rng(d)
    potentials = potentials_of(source, target, d)
    for n in (150, 257):
        check(source(rng, n, d), target(rng, n, d), potentials)


@pytest.mark.parametrize("clouds", [(gaussian, ring), (tight, ring)])
def test_mismatched_potentials_still_give_the_optimum(clouds):
    rng = np.random.default_rng(3)
    wild = Potentials(gaussian(rng, 64), 1e3 * rng.standard_normal(64), 1.0)
    for potentials in (potentials_of(ring, far, 2), potentials_of(grid, tight, 2), wild):
        for _ in range(5):
            check(clouds[0](rng, 200), clouds[1](rng, 200), potentials)


@given(st.integers(0, 2**32), st.integers(20, 220), st.integers(1, 4), st.sampled_from([0.0, 1e-9, 1.0]))
@settings(max_examples=60, deadline=None)
def test_random_grids_and_near_ties(seed, n, d, noise):
    rng = np.random.default_rng(seed)
    potentials = reference_potentials(grid(rng, 80, d), grid(rng, 80, d))
    x, y = (grid(rng, n, d) + noise * gaussian(rng, n, d) for _ in range(2))
    check(x, y, potentials)


@pytest.mark.parametrize("d", [2, 5, 50])
def test_thousands_of_batches_cost_what_the_dense_solver_finds(d):
    rng = np.random.default_rng(10 + d)
    for source, target in itertools.product(CLOUDS, CLOUDS):
        potentials = potentials_of(source, target, d, 64)
        for n in rng.integers(8, 72, 30):
            check(source(rng, n, d), target(rng, n, d), potentials)


def test_ties_do_not_bias():
    """Source points a, b and target points c, d at equal distances: every permutation is optimal.

    Over shuffled batches each half of the targets must get its half of the a's, as by symmetry.
    """
    rng = np.random.default_rng(7)
    x = np.repeat([[-1.0, 0.0], [1.0, 0.0]], 16, axis=0)
    y = np.repeat([[0.0, 1.0], [0.0, -1.0]], 16, axis=0)
    potentials = reference_potentials(x, y)
    from_a_to_c = []
    for _ in range(400):
        i, j = rng.permutation(32), rng.permutation(32)
        partner = y[j][check(x[i], y[j], potentials)]
        from_a_to_c.append(np.mean(partner[x[i][:, 0] < 0, 1] > 0))
    # The fraction is hypergeometric: its deviation is below 1/2, that of the mean below 1/40.
    assert np.mean(from_a_to_c) == pytest.approx(0.5, abs=0.075)


@pytest.mark.parametrize("n", [1, 2, 3, 200])
def test_identical_and_shuffled_clouds_cost_nothing(n):
    rng = np.random.default_rng(n)
    x = gaussian(rng, n)
    potentials = potentials_of(gaussian, gaussian, 2)
    assert np.array_equal(check(x, x, potentials), np.arange(n))
    order = rng.permutation(n)
    assert np.array_equal(order[check(x, x[order], potentials)], np.arange(n))
    check(np.zeros((n, 2)), np.zeros((n, 2)), potentials)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_tiny_clouds(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        check(gaussian(rng, n), ring(rng, n), potentials_of(gaussian, ring, 2, 20))
        check(gaussian(rng, n), ring(rng, n), None)


def test_result_does_not_depend_on_earlier_calls():
    rng = np.random.default_rng(0)
    potentials = potentials_of(gaussian, ring, 2)
    x, u = potentials.x.copy(), potentials.u.copy()
    batches = [(gaussian(rng, 256), ring(rng, 256)) for _ in range(5)]
    first = [assign(*batch, potentials) for batch in batches]
    second = [assign(*batch, potentials) for batch in reversed(batches)][::-1]
    assert all(np.array_equal(p, q) for p, q in zip(first, second, strict=True))
    assert np.array_equal(potentials.x, x) and np.array_equal(potentials.u, u)


def test_typical_batches_need_no_dense_solve(monkeypatch):
    rng = np.random.default_rng(1)
    potentials = potentials_of(gaussian, ring, 2, 512)
    batches = [(gaussian(rng, 512), ring(rng, 512)) for _ in range(20)]
    costs = [dense_cost(x, y) for x, y in batches]
    monkeypatch.setattr(assignment, "_dense_permutation", lambda x, y: pytest.fail("fell back"))
    for (x, y), cost in zip(batches, costs, strict=True):
        assert ((x - y[assign(x, y, potentials)]) ** 2).sum() == pytest.approx(cost, rel=1e-12)


def test_failed_certificate_falls_back_to_the_dense_solver(monkeypatch):
    rng = np.random.default_rng(2)
    monkeypatch.setattr(assignment, "GAP", -1.0)
    for _ in range(3):
        check(gaussian(rng, 200), ring(rng, 200), potentials_of(gaussian, ring, 2))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("n", [3, 200])
def test_non_finite_points_fail_the_run(bad, n):
    x, y = np.zeros((n, 2)), np.zeros((n, 2))
    y[-1, 1] = bad
    for call in (assign, wasserstein2_squared, reference_potentials):
        with pytest.raises(RunFailed):
            call(x, y)


def test_solver_that_stops_early_fails_the_run(monkeypatch):
    rng = np.random.default_rng(4)
    monkeypatch.setattr(assignment, "MAX_ITERATIONS", 5)
    with pytest.warns(UserWarning, match="numItermax"), pytest.raises(RunFailed):
        assign(gaussian(rng, 100), ring(rng, 100))


@pytest.mark.parametrize("shapes", [((3, 2), (4, 2)), ((3,), (3,)), ((0, 2), (0, 2)), ((3, 2), (3, 1))])
def test_wrong_shapes(shapes):
    with pytest.raises(ValueError, match="shape"):
        assign(np.zeros(shapes[0]), np.zeros(shapes[1]))


@pytest.mark.parametrize("clouds", [(gaussian, ring), (tight, ring), (ring, ring)])
def test_wasserstein_of_large_samples_equals_dense_solver(clouds, monkeypatch):
    rng = np.random.default_rng(5)
    x, y = clouds[0](rng, 2000), clouds[1](rng, 2000)
    expected = dense_cost(x, y) / 2000
    if clouds != (tight, ring):
        monkeypatch.setattr(assignment, "_dense_permutation", lambda x, y: pytest.fail("fell back"))
    assert wasserstein2_squared(x, y) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("n", [1, 300, 3000])
def test_wasserstein_on_a_line_is_the_sorted_matching(n):
    rng = np.random.default_rng(n)
    s, t = rng.standard_normal(n), 3 + 2 * rng.standard_normal(n)
    direction = np.array([0.6, 0.8])
    value = wasserstein2_squared(np.outer(s, direction), np.outer(t, direction))
    assert value == pytest.approx(np.mean((np.sort(s) - np.sort(t)) ** 2), rel=1e-10)
