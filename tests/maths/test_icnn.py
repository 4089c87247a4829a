"""Input-convex networks: convexity, the gradient, and the optimal map between Gaussians with its dual value."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cfm.datasets.base import Prepared
from cfm.methods.icnn import ICNN
from cfm.nets.icnn import StackedICNN
from cfm.rng import stream
from cfm.settings import Training
from cfm.training.batches import training_pairs
from cfm.training.trainer import Trainer


def _net(seed: int, dim: int = 2) -> StackedICNN:
    net = StackedICNN(1, dim, 16, 3)
    net.initialise([seed])
    return net.double()


def _make_convex(net: StackedICNN) -> None:
    for name, layer in zip(net.shapes, net.layers(), strict=True):
        if name.startswith("hidden"):
            layer.data.abs_()


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), dim=st.integers(1, 4), share=st.floats(0, 1))
def test_convex_where_the_weights_are_not_negative(seed: int, dim: int, share: float) -> None:
    net = _net(seed, dim)
    _make_convex(net)
    assert float(net.negativity()) == 0
    generator = torch.Generator().manual_seed(seed)
    x, y = (3 * torch.randn(1, 64, dim, dtype=torch.float64, generator=generator) for _ in range(2))
    between = net(share * x + (1 - share) * y)
    assert (between <= share * net(x) + (1 - share) * net(y) + 1e-12).all()


def test_not_convex_with_negative_weights() -> None:
    """The penalty is there for a reason: PyTorch's initial weights give a function that is not convex."""
    found = []
    for seed in range(10):
        net = _net(seed)
        assert float(net.negativity()) > 0
        with torch.no_grad():
            layers = net.layers()
            for name, layer in zip(net.shapes, layers, strict=True):
                if name.startswith("hidden"):
                    layer -= 1
        x, y = (3 * torch.randn(1, 64, 2, dtype=torch.float64) for _ in range(2))
        found.append(bool((net((x + y) / 2) > (net(x) + net(y)) / 2 + 1e-9).any()))
    assert all(found)


def test_negativity_is_half_the_square_of_what_is_negative() -> None:
    net = _net(1)
    hidden = [w for name, w in zip(net.shapes, net.layers(), strict=True) if name.startswith("hidden")]
    expected = sum(float((w.detach().clamp_max(0) ** 2).sum()) / 2 for w in hidden)
    assert float(net.negativity()) == pytest.approx(expected)


def test_the_gradient_is_the_slope() -> None:
    net = _net(4)
    x = torch.randn(1, 9, 2, dtype=torch.float64)
    h = 1e-5 * torch.eye(2, dtype=torch.float64)
    slopes = torch.stack([(net(x + e) - net(x - e)) / 2e-5 for e in h], dim=2)
    torch.testing.assert_close(net.gradient(x), slopes, atol=1e-7, rtol=1e-6)


def test_the_players_move_in_turn(tmp_path: Path) -> None:
    """Ten steps of g leave f as it is, the eleventh leaves g."""
    trainer = _trainer(tmp_path, steps=11)
    start = {name: part.theta.detach().clone() for name, part in trainer.parts.items()}
    for _ in range(10):
        trainer.train_step(lambda seed, step: training_pairs(trainer.sampler, seed, step))
    assert torch.equal(trainer.parts["f"].theta, start["f"])
    moved = trainer.parts["g"].theta.detach().clone()
    assert not torch.equal(moved, start["g"])
    trainer.train_step(lambda seed, step: training_pairs(trainer.sampler, seed, step))
    assert torch.equal(trainer.parts["g"].theta, moved)
    assert not torch.equal(trainer.parts["f"].theta, start["f"])


def _trainer(folder: Path, steps: int) -> Trainer:
    draw = {s: _target(stream(0, s), n) for s, n in (("train", 5000), ("val", 500))}
    data = Prepared({f"{s}_1": x for s, x in draw.items()}, dim=2, gaussian_source=True)
    training = Training(
        32, 2, batch_size=256, steps=steps, learning_rate=2e-3, weight_decay=0, validate_every=steps, betas=(0.5, 0.9)
    )
    return Trainer(ICNN(penalty=0.1, g_steps=10), data, training, [0], torch.device("cpu"), folder / "state")


SCALE, SHIFT = np.array([[1.5, 0.4], [0.4, 0.8]]), np.array([1.0, -2.0])


def _target(rng: np.random.Generator, n: int) -> np.ndarray:
    return (rng.standard_normal((n, 2)) @ SCALE + SHIFT).astype(np.float32)


def test_recovers_the_gaussian_map_and_its_dual_value(tmp_path: Path) -> None:
    """From N(0, I) to N(m, S^2), S symmetric positive: T(x) = S x + m and W2^2 = |m|^2 + |S - I|_F^2.

    Dual: W2^2 / 2 = E|x|^2 / 2 + E|y|^2 / 2 - E f(x) - E[<y, grad g(y)> - f(grad g(y))] at the solution.
    """
    trainer = _trainer(tmp_path, steps=2750)
    trainer.run(lambda *_: None)
    f, g = trainer.net.children()
    assert isinstance(f, StackedICNN) and isinstance(g, StackedICNN)
    x = stream(7, "x").standard_normal((2000, 2)).astype(np.float32)
    points, y = torch.from_numpy(x)[None], torch.from_numpy(_target(stream(7, "y"), 2000))[None]
    moved = f.gradient(points).detach().numpy()[0]
    optimal = x @ SCALE + SHIFT
    w2_squared = (SHIFT**2).sum() + ((SCALE - np.eye(2)) ** 2).sum()
    assert ((moved - optimal) ** 2).sum(1).mean() < 0.03 * w2_squared
    back = g.gradient(y).detach()
    dual = (points.square().sum(2) / 2 - f(points)).mean() + (
        y.square().sum(2) / 2 - (y * back).sum(2) + f(back)
    ).mean()
    assert 2 * float(dual.detach()) == pytest.approx(w2_squared, rel=0.1)
