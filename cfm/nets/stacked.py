"""Networks of one shape for many seeds at once, stacked on a leading axis.

A seed's bits must not depend on which other seeds it is stacked with. Elementwise kernels work through
memory in vector registers and finish the odd rest with scalar code, which rounds differently; so nothing here
has an odd rest: the parameters of seed s are row s of one matrix, padded to a multiple of 64 numbers (which also
makes the optimiser a single kernel), and the points of a batch are padded to a multiple of 32.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from cfm.rng import stream

_ALIGN, _ALIGN_POINTS = 64, 32


class Stacked(nn.Module):
    """`stack` networks whose layers have the given shapes: weights (fan in, out) and biases (out,), by name."""

    def __init__(self, stack: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.shapes = dict(shapes)
        self._sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        self._padding = -sum(self._sizes) % _ALIGN
        self.theta = nn.Parameter(torch.zeros(stack, sum(self._sizes) + self._padding))

    def initialise(self, seeds: Sequence[int], name: str = "init") -> None:
        """Draw all layers from U(-1, 1) / sqrt(fan in), PyTorch's default, from the stream `name` of each seed.

        A bias has the fan-in of the weight before it.
        """
        rows = []
        for seed in seeds:
            rng = stream(seed, name)
            row, fan_in = [], 1
            for shape, size in zip(self.shapes.values(), self._sizes, strict=True):
                fan_in = shape[0] if len(shape) == 2 else fan_in
                row.append(rng.uniform(-1, 1, size=size) / np.sqrt(fan_in))
            rows.append(np.concatenate([*row, np.zeros(self._padding)]))
        with torch.no_grad():
            self.theta.copy_(torch.from_numpy(np.stack(rows)))

    def layers(self) -> list[Tensor]:
        """The layers in order, as views of `theta`: weights (stack, fan in, out) and biases (stack, 1, out)."""
        parts = self.theta.split([*self._sizes, self._padding], dim=1)
        shapes = ((1, *shape) if len(shape) == 1 else shape for shape in self.shapes.values())
        return [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=False)]

    def alone(self, slot: int) -> Self:
        """One network of the stack, as a view: gradients flow to its row of `theta`."""
        one = copy.copy(self)
        one._parameters = {}
        one.theta = self.theta[slot : slot + 1]  # type: ignore[assignment]
        return one

    def named_layers(self, row: Tensor) -> dict[str, Tensor]:
        """The layers of one network, given its row of `theta`."""
        parts = row.split([*self._sizes, self._padding])
        return {name: part.reshape(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=False)}

    def load_layers(self, slot: int, named: Mapping[str, Tensor]) -> None:
        """Set the layers of one network; the inverse of `named_layers`."""
        values = torch.cat([named[name].reshape(-1) for name in self.shapes])
        with torch.no_grad():
            self.theta[slot, : len(values)] = values


def padded(points: Tensor) -> Tensor:
    """Points (stack, n, dim) followed by zeros up to a multiple of 32 points."""
    return nn.functional.pad(points, (0, 0, 0, -points.shape[1] % _ALIGN_POINTS))


def parts(net: nn.Module) -> dict[str, Stacked]:
    """The stacked networks that `net` is made of by name; a single one has the name ''."""
    return {name: module for name, module in net.named_modules() if isinstance(module, Stacked)}


def initialise(net: nn.Module, seeds: Sequence[int]) -> None:
    """Draw the networks of every part, one for each seed, from a stream of the seed and the part's own name."""
    for name, part in parts(net).items():
        part.initialise(seeds, f"init/{name}" if name else "init")


def named_layers(net: nn.Module, rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The layers of one network of every part, given its row of each `theta`."""
    named = {name: part.named_layers(rows[name]) for name, part in parts(net).items()}
    return {".".join(filter(None, (name, k))): x for name, layers in named.items() for k, x in layers.items()}


def load(net: nn.Module, slot: int, named: Mapping[str, Tensor]) -> None:
    """Set the layers of one network of every part; the inverse of `named_layers`."""
    for name, part in parts(net).items():
        prefix = f"{name}." if name else ""
        part.load_layers(slot, {k.removeprefix(prefix): x for k, x in named.items() if k.startswith(prefix)})
