"""ODE solvers: order by slope on a field that depends on time, exact answers, counted evaluations."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from cfm.errors import RunFailed
from cfm.rng import stream
from cfm.settings import Solver
from cfm.solvers.ode import integrate
from cfm.solvers.sde import simulate
from cfm.solvers.trajectory import Trajectory
from cfm.solvers.transport import carry


def _affine(t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """dx/dt = 3 t^2 x + cos(2 t): depends on time, and diverges."""
    return 3 * t**2 * x + torch.cos(2 * t)


def _exact(x0: np.ndarray) -> np.ndarray:
    """e (x0 + int_0^1 exp(-s^3) cos(2 s) ds), by variation of constants."""
    integral, _ = quad(lambda s: np.exp(-(s**3)) * np.cos(2 * s), 0, 1, epsabs=1e-13)
    return np.exp(1) * (x0 + integral)


@pytest.mark.parametrize(("scheme", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_order_by_slope(scheme: str, order: int) -> None:
    """The error falls like steps^-order; torchdyn's own rk4 fails this with slope 1."""
    x0 = np.array([[-1.0], [0.5], [2.0]])
    counts = (8, 16, 32)
    errors = [
        np.abs(integrate(_affine, x0, Solver(scheme, steps=n)).x[-1] - _exact(x0)).max()  # type: ignore[arg-type]
        for n in counts
    ]
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize(("scheme", "per_step"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_evaluations_are_counted(scheme: str, per_step: int) -> None:
    path = integrate(_affine, np.zeros((5, 1), np.float32), Solver(scheme, steps=10))  # type: ignore[arg-type]
    assert path.nfe == 10 * per_step
    assert path.x.shape == (11, 5, 1)
    np.testing.assert_allclose(path.t, np.linspace(0, 1, 11), atol=1e-6)


def test_adaptive_solver_meets_its_tolerance_and_reading_off_costs_nothing() -> None:
    x0 = np.array([[-1.0], [0.5], [2.0]], dtype=np.float32)
    path = integrate(_affine, x0, Solver("dopri5", tolerance=1e-6))
    np.testing.assert_allclose(path.x[-1], _exact(x0), atol=2e-5)
    assert len(path.t) == 101
    assert path.nfe < 101  # far fewer than one per time that is read off
    middle = integrate(_affine, x0, Solver("rk4", steps=100)).x
    np.testing.assert_allclose(path.x, middle, atol=1e-3)


def test_adaptive_step_counts_the_same_for_any_number_of_points() -> None:
    one, many = (
        integrate(_affine, np.ones((n, 1), np.float32), Solver("dopri5", tolerance=1e-4)).nfe for n in (1, 1000)
    )
    assert one == many


def test_a_diverging_solution_raises() -> None:
    with pytest.raises(RunFailed, match="not finite"):
        integrate(lambda t, x: x**9, np.full((1, 1), 9, np.float32), Solver("euler", steps=50))


def test_path_energy_of_straight_and_curved_paths() -> None:
    """|x1 - x0|^2 for a straight line at any resolution; (pi / 2)^2 for a quarter of the unit circle."""
    rng = np.random.default_rng(0)
    x0, x1 = rng.standard_normal((2, 6, 2))
    for count in (2, 11):
        t = np.linspace(0, 1, count)
        line = (1 - t)[:, None, None] * x0 + t[:, None, None] * x1
        np.testing.assert_allclose(Trajectory(t, line, 0, 0.0).energy, ((x1 - x0) ** 2).sum(1), rtol=1e-6)
    t = np.linspace(0, 1, 101)
    circle = np.stack([np.cos(np.pi / 2 * t), np.sin(np.pi / 2 * t)], axis=-1)[:, None]
    assert Trajectory(t, circle, 0, 0.0).energy[0] == pytest.approx((np.pi / 2) ** 2, rel=1e-4)


def test_euler_energy_is_the_left_riemann_sum() -> None:
    x0 = np.array([[1.0], [-2.0]])
    path = integrate(_affine, x0, Solver("euler", steps=20))
    velocities = [_affine(torch.tensor(t), torch.tensor(x)).numpy() for t, x in zip(path.t, path.x, strict=True)]
    riemann = np.mean([(v**2).sum(1) for v in velocities[:-1]], axis=0)
    np.testing.assert_allclose(path.energy, riemann, rtol=1e-5)


@pytest.mark.parametrize("span", [(0.0, 1.0), (0.0, 0.5), (1.0, 3.0)])
def test_the_path_energy_of_an_sde_without_noise_is_that_of_the_ode(span: tuple[float, float]) -> None:
    """And of a constant field of speed 1 both are the squared length of the way: the span is the unit of time."""
    x0, rng = stream(0, "x").standard_normal((8, 2), dtype=np.float32), stream(0, "noise")

    def turning(t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([-x[..., 1], x[..., 0] * t[..., 0]], dim=-1)

    def constant(t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0.6, 0.8]).expand_as(x)

    for field in (turning, constant):
        ode = carry(field, x0, Solver("euler", steps=50), span)
        sde = simulate(field, x0, 50, 0.0, rng, field, span=span)
        np.testing.assert_allclose(sde.x, ode.x, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(sde.energy, ode.energy, rtol=1e-4)
    np.testing.assert_allclose(ode.energy, (span[1] - span[0]) ** 2, rtol=1e-4)
