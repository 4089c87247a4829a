"""Networks of other libraries in a stack, one for each seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from cfm.nets.stacked import Stacked
from cfm.rng import stream

Net = TypeVar("Net", bound=nn.Module)


class Wrapped(Stacked):
    """`stack` networks that `make` makes, whose parameters are rows of one matrix.

    They may keep nothing that is drawn or learned but their parameters: the buffers are those of one network.
    """

    def __init__(self, stack: int, make: Callable[[], nn.Module]) -> None:
        one = drawn(make, 0)
        super().__init__(stack, {name: tuple(x.shape) for name, x in one.named_parameters()})
        self.make = make
        self._one = [one]  # in a list: its parameters are not for the optimiser

    def initialise(self, seeds: Sequence[int], name: str = "init") -> None:
        """As the library does it, from the stream `name` of each seed."""
        for slot, seed in enumerate(seeds):
            made = drawn(self.make, int(stream(seed, name).integers(2**63)))
            self.load_layers(slot, dict(made.named_parameters()))

    def call(self, slot: int, method: str, *inputs: Tensor) -> Any:
        """A method of one seed's network at its inputs."""
        return self.apply_row(self.theta[slot], method, *inputs)

    def apply_row(self, row: Tensor, method: str, *inputs: Tensor) -> Any:
        """The same, given the network's row of `theta`."""
        one = _Method(self._one[0].to(inputs[0].device).train(self.training), method)
        named = {f"module.{name}": layer for name, layer in self.named_layers(row).items()}
        return torch.func.functional_call(one, named, inputs)


class _Method(nn.Module):
    """A module whose forward is some other method of another one."""

    def __init__(self, module: nn.Module, method: str) -> None:
        super().__init__()
        self.module, self.method = module, method

    def forward(self, *inputs: Tensor) -> Any:
        return getattr(self.module, self.method)(*inputs)


def drawn(make: Callable[[], Net], seed: int) -> Net:
    """A network whose first parameters come from a seed: libraries know PyTorch's global generator only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
