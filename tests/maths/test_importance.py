"""Importance weights and Markov chains, against exact expectations."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cfm.datasets.sampling.importance import effective_share, log_mean, normalised, require_effective, resample
from cfm.datasets.sampling.mala import mala, r_hat
from cfm.errors import RunFailed

WEIGHTS = st.lists(st.floats(-30, 30), min_size=1, max_size=200).map(np.array)


@given(WEIGHTS, st.integers(0, 5))
def test_systematic_resampling_takes_every_point_as_often_as_its_weight_says(
    log_weights: np.ndarray, seed: int
) -> None:
    """Between floor and ceiling of n w; the order is random, the number is kept."""
    n = len(log_weights)
    rows = resample(log_weights, np.random.default_rng(seed))
    expected = n * normalised(log_weights)
    count = np.bincount(rows, minlength=n)
    assert len(rows) == n
    assert (count >= np.floor(expected - 1e-9)).all() and (count <= np.ceil(expected + 1e-9)).all()


def test_resampling_is_unbiased() -> None:
    log_weights = np.log([0.05, 0.15, 0.3, 0.5])
    rng = np.random.default_rng(0)
    counts = sum(np.bincount(resample(log_weights, rng), minlength=4) for _ in range(4000))
    np.testing.assert_allclose(counts / 16000, [0.05, 0.15, 0.3, 0.5], atol=0.01)


@given(WEIGHTS, st.floats(-100, 100))
def test_shares_do_not_depend_on_the_scale_and_log_mean_moves_with_it(log_weights: np.ndarray, shift: float) -> None:
    assert effective_share(log_weights + shift) == pytest.approx(effective_share(log_weights), rel=1e-6)
    assert 1 / len(log_weights) - 1e-12 <= effective_share(log_weights) <= 1 + 1e-12
    assert log_mean(log_weights + shift) == pytest.approx(log_mean(log_weights) + shift, abs=1e-9)


def test_log_z_of_a_known_integral() -> None:
    """R = exp(-|x|^2 / 2 s^2) in 3-D integrates to (2 pi s^2)^(3/2); proposals are N(0, I)."""
    s, x = 0.8, np.random.default_rng(1).standard_normal((200_000, 3))
    log_r = -np.square(x).sum(1) / (2 * s**2)
    log_q = -0.5 * (np.square(x).sum(1) + 3 * np.log(2 * np.pi))
    assert log_mean(log_r - log_q) == pytest.approx(1.5 * np.log(2 * np.pi * s**2), abs=0.01)


def test_effective_share_of_equal_and_of_one_sided_weights() -> None:
    assert effective_share(np.zeros(50)) == pytest.approx(1)
    assert effective_share(np.where(np.arange(50) < 10, 0.0, -np.inf)) == pytest.approx(0.2)
    with pytest.raises(RunFailed, match=r"weights collapsed: effective sample size 0\.10% of 1000"):
        require_effective(np.where(np.arange(1000) == 3, 0.0, -1000.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_weights(bad: float) -> None:
    with pytest.raises(RunFailed, match="not finite"):
        normalised(np.array([0.0, bad]))
    with pytest.raises(RunFailed, match="none of 3 points"):
        normalised(np.full(3, -np.inf))


def test_mala_draws_from_a_correlated_gaussian() -> None:
    """Mean and covariance, the tuned acceptance, and R-hat near 1."""
    precision = torch.tensor([[2.0, 0.9], [0.9, 1.0]], dtype=torch.float64)
    mean = torch.tensor([1.0, -2.0], dtype=torch.float64)

    def log_density(x: torch.Tensor) -> torch.Tensor:
        return -0.5 * ((x - mean) @ precision * (x - mean)).sum(dim=1)

    rng = np.random.default_rng(0)
    chains = mala(log_density, rng.standard_normal((100, 2)).astype(np.float32), 500, 200, 5, rng)
    assert chains.draws.shape == (200, 100, 2) and chains.draws.dtype == np.float32
    assert chains.acceptance == pytest.approx(0.574, abs=0.08)
    assert r_hat(chains.draws).max() < 1.03
    draws = chains.draws.reshape(-1, 2)
    np.testing.assert_allclose(draws.mean(0), mean.numpy(), atol=0.06)
    np.testing.assert_allclose(np.cov(draws.T), np.linalg.inv(precision.numpy()), atol=0.12)


def test_mala_leaves_the_target_as_it_is_at_any_step_size() -> None:
    """Chains that start in a Laplace distribution stay in it, though its gradient jumps: the step is corrected."""
    rng = np.random.default_rng(3)
    x0 = rng.laplace(size=(4000, 1)).astype(np.float32)
    chains = mala(lambda x: -x.abs().sum(dim=1), x0, 0, 20, 5, rng)
    assert np.abs(chains.draws[-1]).mean() == pytest.approx(1, abs=0.05)
    assert chains.draws[-1].var() == pytest.approx(2, abs=0.2)


def test_a_support_with_an_edge_is_never_left() -> None:
    """Log density minus infinity below zero: an exponential distribution."""
    rng = np.random.default_rng(4)
    x0 = rng.exponential(size=(500, 1)).astype(np.float32)

    def log_density(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[:, 0] > 0, -x[:, 0], -torch.inf)

    chains = mala(log_density, x0, 300, 50, 5, rng)
    assert (chains.draws > 0).all() and chains.draws.mean() == pytest.approx(1, abs=0.08)
    with pytest.raises(RunFailed, match="starts where the log density is not finite"):
        mala(log_density, -x0, 1, 1, 1, rng)


def test_r_hat_sees_chains_that_disagree_and_chains_that_drift() -> None:
    rng = np.random.default_rng(2)
    draws = rng.standard_normal((200, 10, 3)).astype(np.float32)
    assert r_hat(draws).max() < 1.02
    draws[:, :5, 0] += 3
    draws[:100, :, 1] += 3
    found = r_hat(draws)
    assert found[0] > 1.5 and found[1] > 1.5 and found[2] < 1.02
