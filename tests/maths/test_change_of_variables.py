"""Densities of flows by the change of variables: closed forms, finite differences, integrals, and trained models."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.stats import multivariate_normal
from torch import Tensor

from cfm import config as configuration
from cfm.datasets.base import Prepared
from cfm.methods.base import Method, Start
from cfm.methods.normalizing_flow import NormalizingFlow
from cfm.metrics.density import grid
from cfm.nets.mlp import StackedMLP
from cfm.nets.stacked import parts
from cfm.rng import stream
from cfm.settings import Solver, Training
from cfm.solvers.likelihood import pull_back_density, push_forward
from cfm.training.trainer import Trainer

EXACT = Solver("dopri5", tolerance=1e-6, divergence="exact")
HUTCHINSON = dataclasses.replace(EXACT, divergence="hutchinson")
METHODS = {name: named.method for name, named in configuration.load("paper").methods.items()}
SETTINGS = Training(32, 2, batch_size=256, steps=2000, learning_rate=5e-3, weight_decay=0, validate_every=1000)


@dataclasses.dataclass
class _Affine:
    """The field v = A x + b, with non-zero divergence tr A."""

    a: Tensor
    b: Tensor
    dim: int

    def value_and_jacobian(self, t: Tensor, x: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if directions is None:
            directions = torch.eye(self.dim)[None, :, None].expand(-1, -1, x.shape[1], -1)
        return x @ self.a.T + self.b, directions @ self.a.T


def _affine(dim: int) -> tuple[_Affine, np.ndarray, np.ndarray]:
    """The field with the mean and covariance of what it makes of N(0, I)."""
    rng = np.random.default_rng(dim)
    a, b = 0.7 * rng.standard_normal((dim, dim)), rng.standard_normal(dim)
    augmented = expm(np.block([[a, b[:, None]], [np.zeros((1, dim + 1))]]))
    forward, mean = augmented[:dim, :dim], augmented[:dim, dim]
    return _Affine(torch.from_numpy(a).float(), torch.from_numpy(b).float(), dim), mean, forward @ forward.T


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_an_affine_flow_gives_the_gaussian_density_both_ways(dim: int) -> None:
    field, mean, covariance = _affine(dim)
    rng, x0 = stream(1, "test"), stream(1, "x0").standard_normal((200, dim), dtype=np.float32)
    path = push_forward(field, x0, EXACT, rng)  # type: ignore[arg-type]
    assert path.log_density is not None and path.log_density.error is None and path.x.shape[1:] == (200, dim)
    expected = multivariate_normal(mean, covariance).logpdf(path.x[-1].astype(np.float64))
    np.testing.assert_allclose(path.log_density.value, expected, atol=2e-4)
    back = pull_back_density(field, path.x[-1], EXACT, rng)  # type: ignore[arg-type]
    np.testing.assert_allclose(back.value, expected, atol=2e-4)


def test_hutchinson_is_unbiased_and_knows_its_error() -> None:
    """Of an affine field the exact answer is known; the standardised errors of many points have variance near 1."""
    field, mean, covariance = _affine(5)
    x1 = stream(2, "x1").standard_normal((3000, 5), dtype=np.float32)
    found = pull_back_density(field, x1, HUTCHINSON, stream(2, "probes"))  # type: ignore[arg-type]
    assert found.error is not None and found.error.shape == (3000,) and (found.error > 0).all()
    wrong = found.value - multivariate_normal(mean, covariance).logpdf(x1.astype(np.float64))
    assert np.abs(wrong.mean()) < 4 * np.sqrt(np.square(found.error).sum()) / 3000
    assert (wrong / found.error).std() == pytest.approx(1, abs=0.15)


def test_directional_derivatives_are_the_jacobian_times_the_direction() -> None:
    net = StackedMLP(2, 3, 16, 2)
    net.initialise([0, 1])
    generator = torch.Generator().manual_seed(0)
    t, x = torch.rand(2, 7, 1, generator=generator), torch.randn(2, 7, 3, generator=generator)
    directions = torch.randn(2, 4, 7, 3, generator=generator)
    value, jacobian = net.value_and_jacobian(t, x)
    same, along = net.value_and_jacobian(t, x, directions)
    torch.testing.assert_close(same, value)
    torch.testing.assert_close(along, torch.einsum("skni,sino->skno", directions, jacobian))


@pytest.fixture(scope="module")
def net() -> StackedMLP:
    """A field that is not linear, with a divergence that changes along the way."""
    made = StackedMLP(1, 2, 16, 2, "tanh")
    made.initialise([7])
    with torch.no_grad():
        made.theta *= 2
    return made


def test_a_density_is_that_of_the_flow_map_by_finite_differences(net: StackedMLP) -> None:
    """log p(x1) = log N(x0) - log |det dx1/dx0|."""
    x0, h = stream(3, "x0").standard_normal((50, 2), dtype=np.float32), 5e-3
    path = push_forward(net, x0, EXACT, stream(3, "test"))
    columns = []
    for axis in np.eye(2, dtype=np.float32):
        up, down = (push_forward(net, x0 + s * h * axis, EXACT, stream(3, "test")).x[-1] for s in (1, -1))
        columns.append((up - down) / (2 * h))
    determinant = np.linalg.det(np.stack(columns, axis=2).astype(np.float64))
    expected = multivariate_normal(np.zeros(2)).logpdf(x0) - np.log(np.abs(determinant))
    assert path.log_density is not None
    np.testing.assert_allclose(path.log_density.value, expected, atol=5e-3)


def test_a_density_integrates_to_one(net: StackedMLP) -> None:
    x = push_forward(net, stream(4, "x0").standard_normal((2000, 2), dtype=np.float32), EXACT, stream(4, "t")).x[-1]
    a, b = grid(x)
    points = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(pull_back_density(net, points, EXACT, stream(4, "t")).value.astype(np.float64))
    assert density.sum() * (a[1] - a[0]) * (b[1] - b[0]) == pytest.approx(1, abs=0.01)


def test_euler_takes_the_divergence_along_its_own_steps(net: StackedMLP) -> None:
    """The left Riemann sum of the divergence at the scheme's points, and its log density nears the exact one."""
    x0 = stream(5, "x0").standard_normal((100, 2), dtype=np.float32)
    exact = push_forward(net, x0, EXACT, stream(5, "t"))
    errors = []
    for steps in (10, 20, 40):
        path = push_forward(net, x0, Solver("euler", steps=steps, divergence="exact"), stream(5, "t"))
        assert path.nfe == steps and path.log_density is not None and exact.log_density is not None
        errors.append(np.abs(path.log_density.value - exact.log_density.value).mean())
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.6) and errors[1] / errors[2] == pytest.approx(2, abs=0.6)


# --- trained models on Gaussian data ---

_MEAN, _FACTOR = np.array([1.0, -1.0]), np.array([[0.8, 0.0], [0.5, 0.6]])


def _gaussian(n: int, name: str) -> np.ndarray:
    return (_MEAN + stream(0, name).standard_normal((n, 2)) @ _FACTOR.T).astype(np.float32)


@pytest.mark.parametrize("name", ["icfm", "otcfm", "fm", "cnf", "regcnf", "realnvp", "maf"])
def test_trained_on_a_gaussian_the_likelihood_is_its_entropy(name: str, tmp_path: Path) -> None:
    """NLL minus entropy is within 0.02 nats; on the same points, so that only the model's error counts."""
    method: Method = METHODS[name]
    if name.endswith("cfm") or name == "fm":  # sigma = 0.1 widens the target by as much
        method = dataclasses.replace(method, sigma=1e-3)  # type: ignore[call-arg]
    if name == "regcnf":  # its penalties bend the target on purpose
        method = dataclasses.replace(method, kinetic=1e-4, jacobian=1e-4)  # type: ignore[call-arg]
    steps = {"cnf": 120, "regcnf": 120, "realnvp": 600, "maf": 400}.get(name, 2000)
    arrays = {"train_1": _gaussian(20_000, "train"), "val_1": _gaussian(500, "val")}
    rate = 1e-3 if name == "realnvp" else SETTINGS.learning_rate
    settings = dataclasses.replace(SETTINGS, steps=steps, validate_every=steps // 10, learning_rate=rate)
    trainer = Trainer(method, Prepared(arrays, 2, True), settings, [0], torch.device("cpu"), tmp_path / "state")
    trainer.run(lambda *_: None)
    net = trainer._alone(0)
    x = _gaussian(4000, "test")
    found = method.log_density(net, x, dataclasses.replace(EXACT, tolerance=1e-4), stream(0, "test"))
    assert found is not None
    truth = multivariate_normal(_MEAN, _FACTOR @ _FACTOR.T).logpdf(x.astype(np.float64))
    assert -0.003 < (truth - found.value).mean() < 0.02


# --- classical normalising flows ---


def _initialised(method: Method, dim: int) -> torch.nn.Module:
    net = method.network(1, dim, dataclasses.replace(SETTINGS, width=16))
    for part in parts(net).values():
        part.initialise([3])
        with torch.no_grad():  # off the identity, where Glow starts
            part.theta += 0.05 * torch.randn(part.theta.shape, generator=torch.Generator().manual_seed(1))
    return net


@pytest.mark.parametrize(("flow", "dim"), [("realnvp", 2), ("maf", 3), ("glow", 16), ("glow", 64)])
def test_normalising_flows_are_changes_of_variables(flow: str, dim: int) -> None:
    """The density that sampling tells is that of log_prob, and that of the map's own Jacobian by autograd."""
    method = NormalizingFlow(flow, 2)  # type: ignore[arg-type]
    net = _initialised(method, dim)
    z = stream(1, "z").standard_normal((5, dim), dtype=np.float32)
    start = Start(z, None, stream(1, "sample"), Prepared({}, dim, True))
    path = method.sample(net, start, EXACT)
    assert path.log_density is not None and path.nfe == 1
    again = method.log_density(net, path.x[-1], EXACT, stream(1, "test"))
    assert again is not None
    np.testing.assert_allclose(path.log_density.value, again.value, rtol=1e-3, atol=2e-3)
    one = torch.from_numpy(z[:1])
    jacobian = torch.autograd.functional.jacobian(lambda y: net.call(0, "carry", y)[0], one)[0, :, 0]  # type: ignore[operator]
    expected = multivariate_normal(np.zeros(dim)).logpdf(z[0]) - np.linalg.slogdet(jacobian.numpy())[1]
    assert path.log_density.value[0] == pytest.approx(float(expected), abs=5e-3)


def test_wrapped_networks_are_those_of_the_library_and_depend_on_their_seed_only() -> None:
    method = NormalizingFlow("realnvp", 2)
    before = torch.random.get_rng_state()
    several, alone = (method.network(n, 2, SETTINGS) for n in (3, 1))
    for net, seeds in ((several, [1, 2, 3]), (alone, [2])):
        parts(net)[""].initialise(seeds)
    assert torch.equal(torch.random.get_rng_state(), before)  # the global generator is left alone
    x = torch.randn(10, 2, generator=torch.Generator().manual_seed(0))
    second = several.call(1, "log_prob", x)  # type: ignore[operator]
    assert torch.equal(second, alone.call(0, "log_prob", x))  # type: ignore[operator]
    assert not torch.equal(second, several.call(0, "log_prob", x))  # type: ignore[operator]
    assert sum(p.numel() for p in several.parameters()) == several.theta.numel()  # type: ignore[union-attr]


def test_glow_wants_square_pictures() -> None:
    datasets = configuration.load("paper").datasets
    assert METHODS["glow"].skip_reason(datasets["digits"].dataset) is None
    assert METHODS["glow"].skip_reason(datasets["breast_cancer"].dataset) == "needs square pictures"
    assert METHODS["maf"].skip_reason(datasets["moons_8gaussians"].dataset) == "needs a standard normal source"
