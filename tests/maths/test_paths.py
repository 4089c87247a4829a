"""Every path against autograd, against the formulas of the paper, and against its own marginals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cfm.paths import PATHS, BrownianBridge, Linear, LipmanTarget, Path, Trigonometric

SIGMA = 0.3
ALL = [cls(SIGMA) for cls in PATHS.values()]
IDS = list(PATHS)


def _pair(n: int = 64, dim: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(n, dim, generator=generator, dtype=torch.float64) for _ in range(3))  # type: ignore[return-value]


@pytest.mark.parametrize("path", ALL, ids=IDS)
@settings(max_examples=30, deadline=None)
@given(time=st.floats(0.01, 0.99))
def test_velocity_is_the_time_derivative_of_the_conditional_flow(path: Path, time: float) -> None:
    """With eps held fixed, u_t(x_t | z) = d x_t / dt: the definition of the conditional flow."""
    x0, x1, eps = _pair()
    t = torch.full((len(x0), 1), time, dtype=torch.float64)
    _, derivative = torch.func.jvp(lambda t: path.sample(x0, x1, t, eps)[0], (t,), (torch.ones_like(t),))
    _, ut = path.sample(x0, x1, t, eps)
    torch.testing.assert_close(ut, derivative, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("path", ALL, ids=IDS)
def test_velocity_is_the_gaussian_formula(path: Path) -> None:
    """u_t(x | z) = sigma_t' / sigma_t (x - mu_t) + mu_t', with both rates from autograd."""
    x0, x1, eps = _pair()
    t = torch.linspace(0.05, 0.95, len(x0), dtype=torch.float64)[:, None]
    one = torch.ones_like(t)
    mean, mean_rate = torch.func.jvp(lambda t: path.mean(x0, x1, t), (t,), (one,))
    std, std_rate = torch.func.jvp(path.std, (t,), (one,))
    xt, ut = path.sample(x0, x1, t, eps)
    torch.testing.assert_close(ut, std_rate / std * (xt - mean) + mean_rate)


def test_velocities_of_the_paper() -> None:
    """The closed forms as the paper prints them (Table 1 and eq. 15, 21; Lipman et al. eq. 21)."""
    x0, x1, eps = _pair()
    t = torch.linspace(0.05, 0.95, len(x0), dtype=torch.float64)[:, None]
    xt, ut = Linear(SIGMA).sample(x0, x1, t, eps)
    torch.testing.assert_close(ut, x1 - x0)
    xt, ut = BrownianBridge(SIGMA).sample(x0, x1, t, eps)
    mean = t * x1 + (1 - t) * x0
    torch.testing.assert_close(ut, (1 - 2 * t) / (2 * t * (1 - t)) * (xt - mean) + x1 - x0)
    xt, ut = LipmanTarget(SIGMA).sample(x0, x1, t, eps)
    torch.testing.assert_close(ut, (x1 - (1 - SIGMA) * xt) / (1 - (1 - SIGMA) * t))
    xt, ut = Trigonometric(SIGMA).sample(x0, x1, t, eps)
    torch.testing.assert_close(ut, math.pi / 2 * (torch.cos(math.pi / 2 * t) * x1 - torch.sin(math.pi / 2 * t) * x0))


def test_flow_matching_without_noise_is_icfm_from_a_gaussian() -> None:
    """With sigma = 0 Lipman's path is t x1 + (1 - t) eps with velocity x1 - eps: I-CFM with x0 = eps."""
    x0, x1, eps = _pair()
    t = torch.rand(len(x0), 1, dtype=torch.float64)
    for lipman, linear in zip(
        LipmanTarget(0.0).sample(x0, x1, t, eps), Linear(0.0).sample(eps, x1, t, x0), strict=True
    ):
        torch.testing.assert_close(lipman, linear)


@pytest.mark.parametrize("name", IDS)
def test_boundary_conditions(name: str) -> None:
    """At t = 1 every path has arrived at x1, up to its final width; at t = 0 it is at x0, or at noise."""
    path = PATHS[name](SIGMA)
    x0, x1, _ = _pair()
    near0, near1 = (torch.full((len(x0), 1), t, dtype=torch.float64) for t in (1e-9, 1 - 1e-9))
    torch.testing.assert_close(path.mean(x0, x1, near1), x1, rtol=1e-6, atol=1e-6)
    if path.general_source:
        torch.testing.assert_close(path.mean(x0, x1, near0), x0, rtol=1e-6, atol=1e-6)
    else:
        width = {"lipman": 1.0, "variance_preserving": 1.0, "variance_exploding": 50.0}[name]
        assert path.std(near0)[0].item() == pytest.approx(width, rel=1e-4)
        if name != "variance_exploding":
            assert path.mean(x0, x1, near0).abs().max() < 0.02  # VP keeps exp(-5) of the data


@pytest.mark.parametrize("name", IDS)
def test_conditional_ot_is_what_table_1_says(name: str) -> None:
    """The mean moves from its start to its end in a straight line: its velocity is their difference at all times."""
    path = PATHS[name](SIGMA)
    x0, x1, _ = _pair()
    start, *times, end = (torch.full((len(x0), 1), t, dtype=torch.float64) for t in (0.0, 0.2, 0.5, 0.8, 1.0))
    way = path.mean(x0, x1, end) - path.mean(x0, x1, start)
    straight = all(torch.allclose(path.mean_rate(x0, x1, t), way) for t in times)
    moves = bool(way.abs().max() > 0)
    assert (straight and moves) == path.conditional_ot


def test_trigonometric_path_preserves_variance() -> None:
    """cos^2 + sin^2 = 1: with independent unit-variance ends the mean has unit variance at all times."""
    generator = torch.Generator().manual_seed(1)
    x0, x1 = (torch.randn(200_000, 1, generator=generator) for _ in range(2))
    for time in np.linspace(0.1, 0.9, 5):
        assert Trigonometric(0.0).mean(x0, x1, torch.tensor(time)).std().item() == pytest.approx(1, abs=0.01)
