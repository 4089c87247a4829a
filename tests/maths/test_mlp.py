"""The stacked network is a stack of ordinary ones."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cfm.nets.mlp import StackedMLP
from cfm.nets.stacked import load, named_layers


def _net(stack: int = 3, dim: int = 2, width: int = 10, depth: int = 3) -> StackedMLP:
    net = StackedMLP(stack, dim, width, depth)
    net.initialise(range(stack))
    return net


@settings(max_examples=20)
@given(
    stack=st.integers(1, 4),
    dim=st.integers(1, 5),
    width=st.integers(1, 20),
    depth=st.integers(1, 4),
    n=st.integers(1, 40),
)
def test_each_row_is_an_ordinary_network(stack: int, dim: int, width: int, depth: int, n: int) -> None:
    """The same numbers as torch.nn.Linear and SELU on [x, t], whatever the sizes and the padding."""
    net = _net(stack, dim, width, depth)
    generator = torch.Generator().manual_seed(0)
    t, x = torch.rand(stack, n, 1, generator=generator), torch.randn(stack, n, dim, generator=generator)
    out = net(t, x)
    assert out.shape == (stack, n, dim)
    layers = net.layers()
    for s in range(stack):
        hidden = torch.cat([x[s], t[s]], dim=1)
        for k in range(0, len(layers) - 2, 2):
            hidden = torch.selu(torch.nn.functional.linear(hidden, layers[k][s].T, layers[k + 1][s, 0]))
        expected = torch.nn.functional.linear(hidden, layers[-2][s].T, layers[-1][s, 0])
        torch.testing.assert_close(out[s], expected, rtol=1e-4, atol=1e-5)


def test_the_papers_network_has_its_number_of_parameters() -> None:
    """3 x 64 + 64, twice 64 x 64 + 64, 64 x 2 + 2: 8,706 numbers; the rest of a row is padding that stays zero."""
    net = _net(1, dim=2, width=64, depth=3)
    assert sum(layer[0].numel() for layer in net.layers()) == 8706
    assert net.theta.shape[1] % 64 == 0
    assert (net.theta[0, 8706:] == 0).all()


def test_initial_weights_follow_pytorchs_default() -> None:
    """U(-1, 1) / sqrt(fan in): the bound is met and nearly reached, and the variance is a third of its square."""
    net = StackedMLP(20, 2, 64, 3)
    net.initialise(range(20))
    for weight in net.layers()[::2]:
        bound = 1 / np.sqrt(weight.shape[1])
        values = weight.detach().numpy()
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.97 * bound
        assert values.var() == pytest.approx(bound**2 / 3, rel=0.05)


def test_initial_weights_belong_to_the_seed() -> None:
    one, other = StackedMLP(2, 2, 8, 1), StackedMLP(1, 2, 8, 1)
    one.initialise([5, 6])
    other.initialise([6])
    assert torch.equal(one.theta[1], other.theta[0])
    assert not torch.equal(one.theta[0], one.theta[1])


def test_named_layers_rebuild_the_network() -> None:
    net = _net(1)
    named = named_layers(net, {"": net.theta[0].detach()})
    assert named["layers.0.weight"].shape == (3, 10) and named["layers.3.bias"].shape == (2,)
    again = StackedMLP(1, 2, 10, 3)
    load(again, 0, {name: tensor.clone() for name, tensor in named.items()})
    assert torch.equal(again.theta, net.theta)


def test_seeds_do_not_mix_in_the_gradient() -> None:
    """The sum of the seeds' losses has a block-diagonal gradient: one seed's data leave the others' alone."""
    net = _net(3)
    t, x = torch.rand(3, 8, 1), torch.randn(3, 8, 2)
    loss = net(t, x).square().mean(dim=(1, 2))
    loss[1].backward()
    assert net.theta.grad is not None
    assert net.theta.grad[1].abs().max() > 0
    assert net.theta.grad[[0, 2]].abs().max() == 0
