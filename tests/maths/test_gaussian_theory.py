"""Between Gaussians everything has a closed form: marginals, marginal velocities, optimal and entropic plans."""

import numpy as np
import pytest
import torch

from cfm.couplings.assignment import assign
from cfm.couplings.entropic import entropic_plan
from cfm.couplings.minibatch import COUPLINGS, Minibatch
from cfm.paths import PATHS, BrownianBridge, Linear
from cfm.rng import stream
from cfm.settings import Solver
from cfm.solvers.ode import integrate

MEAN, STD = 2.0, 0.5


def _ends(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Independent x0 ~ N(0, 1), x1 ~ N(m, s^2), eps ~ N(0, 1), shape (n, 1)."""
    x0, x1, eps = (torch.from_numpy(stream(seed, name).standard_normal((n, 1))) for name in "abc")
    return x0, MEAN + STD * x1, eps


@pytest.mark.parametrize("name", PATHS)
def test_marginals_are_the_mixture_of_the_conditionals(name: str) -> None:
    """x_t has mean E[mu_t] and variance Var[mu_t] + sigma_t^2."""
    path = PATHS[name](0.2)
    x0, x1, eps = _ends(200_000)
    for time in (0.25, 0.75):
        t = torch.full((len(x0), 1), time, dtype=torch.float64)
        xt, _ = path.sample(x0, x1, t, eps)
        mean = path.mean(x0, x1, t)
        sigma = path.std(t)[0].item()
        assert xt.mean().item() == pytest.approx(mean.mean().item(), abs=5 * sigma / 400 + 1e-9)
        assert xt.var().item() == pytest.approx(mean.var().item() + sigma**2, rel=0.02)


def _icfm_field(sigma: float):  # type: ignore[no-untyped-def]
    """E[x1 - x0 | x_t = x] for independent Gaussian ends: linear in x with slope Cov(u, x_t) / Var(x_t)."""

    def field(t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        variance = (1 - t) ** 2 + t**2 * STD**2 + sigma**2
        return MEAN + (t * STD**2 - (1 - t)) / variance * (x - t * MEAN)

    return field


def test_regression_on_conditional_velocities_finds_the_marginal_velocity() -> None:
    """The theorem flow matching rests on: the conditional mean of u_t(x | z) is the marginal velocity u_t(x)."""
    sigma = 0.3
    x0, x1, eps = _ends(400_000)
    for time in (0.2, 0.5, 0.8):
        t = torch.full((len(x0), 1), time, dtype=torch.float64)
        xt, ut = Linear(sigma).sample(x0, x1, t, eps)
        slope, intercept = np.polyfit(xt[:, 0].numpy(), ut[:, 0].numpy(), 1)
        ends = _icfm_field(sigma)(torch.tensor([time, time]), torch.tensor([0.0, 1.0]))
        assert intercept == pytest.approx(ends[0].item(), abs=0.02)
        assert slope == pytest.approx((ends[1] - ends[0]).item(), abs=0.02)


def test_the_marginal_velocity_carries_the_source_to_the_target() -> None:
    """Integrating the closed form maps N(0, 1 + sigma^2) to N(m, s^2 + sigma^2), affinely."""
    sigma = 0.3
    x0 = np.array([[-1.0], [0.0], [1.0]]) * np.sqrt(1 + sigma**2)
    x1 = integrate(_icfm_field(sigma), x0, Solver("rk4", steps=200)).x[-1][:, 0]
    expected = MEAN + np.array([-1, 0, 1]) * np.sqrt(STD**2 + sigma**2)
    np.testing.assert_allclose(x1, expected, rtol=1e-6)


def test_path_energy_of_the_independent_flow_exceeds_the_optimal_one() -> None:
    """For sigma = 0: Var(x_t) = v(t), so the flow is m t + sqrt(v(t)) x0 with energy m^2 + int (sqrt v)'^2 > W2^2."""
    x0 = stream(3, "x0").standard_normal((20_000, 1))
    x0 = (x0 - x0.mean()) / x0.std()
    path = integrate(_icfm_field(0.0), x0, Solver("rk4", steps=200))
    energy = path.energy.mean()
    t = np.linspace(0, 1, 100_001)
    width = np.sqrt((1 - t) ** 2 + t**2 * STD**2)
    expected = MEAN**2 + np.trapezoid(np.gradient(width, t) ** 2, t)
    optimal = MEAN**2 + (1 - STD) ** 2
    assert energy == pytest.approx(expected, rel=1e-3)
    assert expected > optimal + 0.05


def test_exact_plan_between_gaussians_is_the_monotone_map() -> None:
    """On the line the optimal permutation sorts both sides; its limit is x -> m + s x."""
    x0, x1, _ = (x.numpy() for x in _ends(400))
    permutation = assign(x0, x1)
    order = np.argsort(x0[:, 0])
    assert (np.diff(x1[permutation][order, 0]) >= 0).all()
    assert np.abs(x1[permutation] - (MEAN + STD * x0)).mean() < 0.1


@pytest.mark.parametrize("sigma", [0.3, 0.7, 1.5])
def test_entropic_plan_between_gaussians_has_the_closed_form_covariance(sigma: float) -> None:
    """With epsilon = 2 sigma^2, Cov(x0, x1) = (sqrt(4 s^2 + sigma^4) - sigma^2) / 2 (Mallasto et al. 2021)."""
    covariances = []
    for seed in range(6):
        x0, x1, _ = (x.numpy() for x in _ends(600, seed))
        plan = entropic_plan(x0, x1, 2 * sigma**2)
        centred = (plan * (x0 - x0.mean())).T @ np.ones((600, 1))
        assert abs(centred.sum()) < 0.02
        covariances.append(((x0 - x0.mean()).T @ plan @ (x1 - x1.mean())).item())
    expected = (np.sqrt(4 * STD**2 + sigma**4) - sigma**2) / 2
    assert np.mean(covariances) == pytest.approx(expected, rel=0.06)


def test_sbcfm_pairs_and_bridges_have_the_schroedinger_bridges_marginals() -> None:
    """Entropic pairs and Brownian bridges: Var(x_t) = (1-t)^2 + t^2 s^2 + 2 t (1-t) c + sigma^2 t (1-t)."""
    sigma = 0.7
    cross = (np.sqrt(4 * STD**2 + sigma**4) - sigma**2) / 2
    samples: dict[float, list[np.ndarray]] = {0.3: [], 0.6: []}
    for seed in range(20):
        x0, x1, eps = _ends(400, seed)
        i, j = COUPLINGS["entropic"].pairs(Minibatch(x0.numpy(), x1.numpy(), sigma), stream(seed, "pairs"))
        for time, found in samples.items():
            t = torch.full((400, 1), time, dtype=torch.float64)
            found.append(BrownianBridge(sigma).sample(x0[i], x1[j], t, eps)[0].numpy())
    for time, found in samples.items():
        points = np.concatenate(found)
        variance = (1 - time) ** 2 + (time * STD) ** 2 + time * (1 - time) * (2 * cross + sigma**2)
        assert points.mean() == pytest.approx(time * MEAN, abs=0.05)
        assert points.var() == pytest.approx(variance, rel=0.06)


def test_optimal_pairs_have_less_variance_in_their_target() -> None:
    """Why OT-CFM learns faster: the conditional velocity scatters less around the marginal one."""
    rng = stream(0, "clouds")
    x0 = rng.standard_normal((512, 2))
    x1 = 3 + 0.5 * rng.standard_normal((512, 2))
    scatter = {}
    for name in ("independent", "exact"):
        i, j = COUPLINGS[name].pairs(Minibatch(x0, x1, 0.1), stream(0, "pairs"))
        scatter[name] = (x1[j] - x0[i]).var(axis=0).sum()
    assert scatter["exact"] < 0.5 * scatter["independent"]
