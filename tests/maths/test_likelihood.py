"""The change of variables and the regularisers of CNFs, against closed forms and finite differences."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.stats import multivariate_normal
from torch import Tensor

from cfm.datasets.base import Prepared
from cfm.methods.cnf import CNF
from cfm.nets.mlp import ACTIVATIONS, StackedMLP
from cfm.rng import stream
from cfm.settings import Training
from cfm.solvers.likelihood import pull_back
from cfm.training.trainer import Trainer

CPU = torch.device("cpu")


@dataclasses.dataclass
class _Affine:
    """The field v = A x + b, with non-zero divergence tr A."""

    a: Tensor
    b: Tensor

    @property
    def dim(self) -> int:
        return len(self.a)

    def value_and_jacobian(self, t: Tensor, x: Tensor, directions: None) -> tuple[Tensor, Tensor]:
        jacobian = self.a.T[None, :, None, :].expand(1, -1, x.shape[1], -1)
        return x @ self.a.T + self.b, jacobian


def _net(dim: int = 2, activation: str = "tanh", seed: int = 3) -> StackedMLP:
    net = StackedMLP(1, dim, 16, 2, activation)  # type: ignore[arg-type]
    net.initialise([seed])
    return net.double()


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_likelihood_under_an_affine_flow_is_the_gaussian_one(dim: int) -> None:
    """X(1) = e^A x(0) + int_0^1 e^{sA} ds b is normal with a known mean and covariance."""
    rng = np.random.default_rng(dim)
    a, b = 0.7 * rng.standard_normal((dim, dim)), rng.standard_normal(dim)
    assert abs(np.trace(a)) > 0.1
    augmented = expm(np.block([[a, b[:, None]], [np.zeros((1, dim + 1))]]))
    forward, mean = augmented[:dim, :dim], augmented[:dim, dim]
    x1 = rng.standard_normal((50, dim)) @ forward.T + mean
    field = _Affine(torch.from_numpy(a), torch.from_numpy(b))
    back = pull_back(field, torch.from_numpy(x1), 1e-8, "squared_frobenius")  # type: ignore[arg-type]
    expected = multivariate_normal(mean, forward @ forward.T).logpdf(x1)
    np.testing.assert_allclose(back.log_likelihood().numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(back.x0.numpy(), np.linalg.solve(forward, (x1 - mean).T).T, atol=1e-5)
    np.testing.assert_allclose(back.jacobian.numpy(), (a**2).sum(), rtol=1e-5)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_the_jacobian_is_the_derivative(activation: str, dim: int) -> None:
    net = _net(dim, activation)
    t, x = torch.rand(1, 7, 1, dtype=torch.float64), torch.randn(1, 7, dim, dtype=torch.float64)
    value, jacobian = net.value_and_jacobian(t, x)
    assert torch.equal(value, net(t, x))
    full = torch.autograd.functional.jacobian(lambda y: net(t, y), x)  # (1, n, out, 1, n, dim)
    expected = torch.stack([full[0, i, :, 0, i, :].T for i in range(7)], dim=1)  # (dim, n, out)
    torch.testing.assert_close(jacobian[0], expected)


def test_penalties_are_the_integrals_along_the_path() -> None:
    """Kinetic energy and Jacobian norm by finite differences on a fine grid of the backward solution."""
    net = _net()
    x1 = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    back = pull_back(net, x1, 1e-9, "squared_frobenius")
    steps, h = 2000, 1e-5
    x, kinetic, jacobian = x1.clone(), torch.zeros(20, dtype=torch.float64), torch.zeros(20, dtype=torch.float64)

    def v(t: float, y: Tensor) -> Tensor:
        with torch.no_grad():
            return net(torch.full((1, 20, 1), t, dtype=torch.float64), y[None])[0]

    shifts = h * torch.eye(2, dtype=torch.float64)
    for k in range(steps, 0, -1):  # midpoint rule
        t = (k - 0.5) / steps
        middle = x - v(k / steps, x) / (2 * steps)
        speed = v(t, middle)
        kinetic += speed.square().sum(1) / steps
        for shift in shifts:
            jacobian += ((v(t, middle + shift) - v(t, middle - shift)) / (2 * h)).square().sum(1) / steps
        x = x - speed / steps
    torch.testing.assert_close(back.x0, x, atol=1e-5, rtol=0)
    torch.testing.assert_close(back.kinetic, kinetic, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(back.jacobian, jacobian, atol=1e-5, rtol=1e-5)


def test_without_regularisers_the_solver_takes_fewer_steps_to_the_same_likelihood() -> None:
    net = _net()
    with torch.no_grad():
        net.theta *= 4  # |v|^2 and |grad v|_F^2 that are harder to integrate than div v
    x1 = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    calls = [0, 0]

    def counted(place: int) -> StackedMLP:
        one, derivative = net.alone(0), net.value_and_jacobian

        def value_and_jacobian(t: Tensor, x: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
            calls[place] += 1
            return derivative(t, x, directions)

        one.value_and_jacobian = value_and_jacobian  # type: ignore[method-assign]
        return one

    plain = pull_back(counted(0), x1, 1e-6)
    regularised = pull_back(counted(1), x1, 1e-6, "squared_frobenius")
    assert plain.integrals.shape == (20, 1)
    assert calls[0] < calls[1]
    torch.testing.assert_close(plain.log_likelihood(), regularised.log_likelihood(), atol=1e-4, rtol=0)


def test_root_mean_square_is_the_authors_norm() -> None:
    """|J|_F / dim, constant along an affine flow."""
    a = torch.tensor([[0.3, 1.0], [-0.2, 0.5]], dtype=torch.float64)
    x1 = torch.randn(4, 2, dtype=torch.float64)
    back = pull_back(_Affine(a, torch.zeros(2, dtype=torch.float64)), x1, 1e-6, "root_mean_square")  # type: ignore[arg-type]
    torch.testing.assert_close(back.jacobian, (a.square().sum().sqrt() / 2).expand(4))


def test_the_gradient_of_the_likelihood_is_its_slope() -> None:
    """Back-propagation through the solver against a central difference in a random direction of theta."""
    net = _net()
    x1 = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    direction = torch.randn(net.theta.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def nll(offset: float) -> Tensor:
        shifted = _net()
        with torch.no_grad():
            shifted.theta += offset * direction
        return -pull_back(shifted, x1, 1e-8).log_likelihood().mean().detach()

    (-pull_back(net, x1, 1e-8).log_likelihood().mean()).backward()
    assert net.theta.grad is not None
    slope = float((nll(1e-4) - nll(-1e-4)) / 2e-4)
    assert float((net.theta.grad * direction).sum()) == pytest.approx(slope, rel=1e-4)


def test_a_trained_flow_has_the_entropy_of_gaussian_data(tmp_path: Path) -> None:
    """Negative log-likelihood of N(1, 0.5^2 I) data comes within 0.05 nats of its entropy."""
    draw = {s: 1 + 0.5 * stream(0, s).standard_normal((n, 2)) for s, n in (("train", 4000), ("val", 1000))}
    data = Prepared({f"{s}_1": x.astype(np.float32) for s, x in draw.items()}, dim=2, gaussian_source=True)
    settings = Training(16, 2, batch_size=128, steps=200, learning_rate=1e-2, weight_decay=0, validate_every=50)
    trainer = Trainer(CNF(1e-3, "tanh"), data, settings, [0], CPU, tmp_path / "state")
    trainer.run(lambda *_: None)
    entropy = math.log(2 * math.pi * math.e * 0.5**2)
    assert trainer.history.best_loss[0] == pytest.approx(entropy, abs=0.05)
