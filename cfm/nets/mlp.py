"""Multilayer perceptrons of (t, x)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from cfm.nets.stacked import Stacked, padded

# The constants of SELU (Klambauer et al. 2017).
_SCALE, _SCALE_ALPHA = 1.0507009873554805, 1.0507009873554805 * 1.6732632423543772


@dataclass(frozen=True)
class Activation:
    """A function and its derivative, which is given the argument and the value."""

    function: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor, Tensor], Tensor]


ActivationName = Literal["selu", "silu", "tanh"]
ACTIVATIONS: dict[ActivationName, Activation] = {
    "selu": Activation(nn.functional.selu, lambda x, y: torch.where(x > 0, _SCALE, y + _SCALE_ALPHA)),
    "silu": Activation(nn.functional.silu, lambda x, y: torch.sigmoid(x) * (1 + x - y)),
    "tanh": Activation(torch.tanh, lambda x, y: 1 - y * y),
}


class StackedMLP(Stacked):
    """`stack` networks [x, t] -> width -> ... -> width -> out with an activation after each of `depth` hidden layers.

    `out` is `dim` unless given.
    """

    def __init__(
        self,
        stack: int,
        dim: int,
        width: int,
        depth: int,
        activation: ActivationName = "selu",
        out: int | None = None,
    ) -> None:
        self.dim, self.activation = dim, ACTIVATIONS[activation]
        widths = [dim + 1, *[width] * depth, dim if out is None else out]
        shapes: dict[str, tuple[int, ...]] = {}
        for k, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
            shapes |= {f"layers.{k}.weight": (fan_in, fan_out), f"layers.{k}.bias": (fan_out,)}
        super().__init__(stack, shapes)

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """Values of shape (stack, n, out) at times `t` (stack, n, 1) and points `x` (stack, n, dim)."""
        hidden = padded(torch.cat([x, t], dim=-1))
        layers = self.layers()
        for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
            hidden = self.activation.function(torch.baddbmm(bias, hidden, weight))
        return torch.baddbmm(layers[-1], hidden, layers[-2])[:, : x.shape[1]]

    def value_and_jacobian(self, t: Tensor, x: Tensor, directions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Values (stack, n, out), and their derivatives by x (stack, dim, n, out), by forward differentiation.

        With `directions` (stack, k, n, dim) the derivatives along them, (stack, k, n, out).
        """
        hidden = padded(torch.cat([x, t], dim=-1))
        layers, n = self.layers(), x.shape[1]
        tangents = torch.empty(0)
        for k, (weight, bias) in enumerate(zip(layers[::2], layers[1::2], strict=True)):
            argument = torch.baddbmm(bias, hidden, weight)
            if k > 0:
                tangents = torch.bmm(tangents.flatten(1, 2), weight).unflatten(1, (tangents.shape[1], -1))
            elif directions is None:
                tangents = weight[:, : self.dim, None].expand(-1, -1, hidden.shape[1], -1)
            else:
                tangents = nn.functional.pad(directions, (0, 0, 0, hidden.shape[1] - n)) @ weight[:, None, : self.dim]
            if 2 * k == len(layers) - 2:
                return argument[:, :n], tangents[:, :, :n]
            hidden = self.activation.function(argument)
            tangents = tangents * self.activation.derivative(argument, hidden)[:, None]
        raise AssertionError("a network has layers")
