"""Weights of a network among the arrays of a data set, under a prefix."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cfm.types import Points


def as_arrays(net: nn.Module, prefix: str) -> dict[str, Points]:
    """The weights by their names, copied."""
    return {f"{prefix}{name}": weight.numpy().copy() for name, weight in net.state_dict().items()}


def from_arrays(known: Mapping[str, Points], prefix: str) -> dict[str, Tensor]:
    """The weights that are there, for `load_state_dict`."""
    return {name.removeprefix(prefix): torch.from_numpy(x) for name, x in known.items() if name.startswith(prefix)}
