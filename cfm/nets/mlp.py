"""Multilayer perceptrons v_theta(t, x), many seeds at once on a leading axis.

A seed's bits must not depend on which other seeds it is stacked with. Elementwise kernels work through
memory in vector registers and finish the odd rest with scalar code, which rounds differently; so nothing here
has an odd rest: the parameters of seed s are row s of one matrix, padded to a multiple of 64 numbers (which also
makes the optimiser a single kernel), and the points of a batch are padded to a multiple of 32.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from cfm.rng import stream

_ALIGN, _ALIGN_POINTS = 64, 32


class StackedMLP(nn.Module):
    """`stack` networks [x, t] -> width -> ... -> width -> dim with SELU between `depth` hidden layers."""

    def __init__(self, stack: int, dim: int, width: int, depth: int) -> None:
        super().__init__()
        widths = [dim + 1, *[width] * depth, dim]
        self.shapes = [shape for fan_in, out in itertools.pairwise(widths) for shape in ((fan_in, out), (1, out))]
        self._sizes = [rows * columns for rows, columns in self.shapes]
        self._padding = -sum(self._sizes) % _ALIGN
        self.theta = nn.Parameter(torch.zeros(stack, sum(self._sizes) + self._padding))

    def initialise(self, seeds: Sequence[int]) -> None:
        """Draw weights and biases from U(-1, 1) / sqrt(fan in), PyTorch's default, stream `init` of each seed."""
        rows = []
        for seed in seeds:
            rng = stream(seed, "init")
            row = [
                rng.uniform(-1, 1, size=size) / np.sqrt(self.shapes[i - i % 2][0]) for i, size in enumerate(self._sizes)
            ]
            rows.append(np.concatenate([*row, np.zeros(self._padding)]))
        with torch.no_grad():
            self.theta.copy_(torch.from_numpy(np.stack(rows)))

    def layers(self) -> list[Tensor]:
        """Weights (stack, fan in, out) and biases (stack, 1, out), alternating, as views of `theta`."""
        parts = self.theta.split([*self._sizes, self._padding], dim=1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=False)]

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """Velocity of shape (stack, n, dim) at times `t` (stack, n, 1) and points `x` (stack, n, dim)."""
        hidden = nn.functional.pad(torch.cat([x, t], dim=-1), (0, 0, 0, -x.shape[1] % _ALIGN_POINTS))
        layers = self.layers()
        for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
            hidden = nn.functional.selu(torch.baddbmm(bias, hidden, weight))
        return torch.baddbmm(layers[-1], hidden, layers[-2])[:, : x.shape[1]]
