"""Glow for small square pictures of one channel, from the library normflows (Kingma and Dhariwal 2018)."""

from __future__ import annotations

import math

import torch
from normflows import MultiscaleFlow
from normflows.distributions.base import DiagGaussian
from normflows.flows.affine.glow import GlowBlock
from normflows.flows.reshape import Merge, Squeeze
from torch import Tensor, nn

from cfm.pictures import can_halve_twice


class Glow(nn.Module):
    """Two levels of `blocks` blocks each, between pictures (n, side * side) and as many normal latents.

    The 1 x 1 convolutions are whole matrices and ActNorm starts as the identity (the data are standardised as they
    are), so all that is drawn or learned is in the parameters.
    """

    def __init__(self, dim: int, blocks: int, channels: int) -> None:
        super().__init__()
        if not can_halve_twice(dim):
            raise ValueError(f"a picture of {dim} pixels is not a square whose side is a multiple of four")
        self.side = side = math.isqrt(dim)
        self.shapes = [(8, side // 4, side // 4), (2, side // 2, side // 2)]  # of the latents of each level
        levels = [[*(GlowBlock(width, channels, use_lu=False) for _ in range(blocks)), Squeeze()] for width in (8, 4)]
        base = [DiagGaussian(shape, trainable=False) for shape in self.shapes]
        self.model = MultiscaleFlow(base, levels, [Merge()], class_cond=False)
        for name, buffer in self.model.named_buffers():
            if name.endswith("data_dep_init_done"):
                buffer.fill_(1.0)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density of pictures (n, side * side), shape (n,)."""
        found: Tensor = self.model.log_prob(x.unflatten(1, (1, self.side, self.side)), None)
        return found

    def carry(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (n, side * side), normal ones, to pictures with their log density."""
        parts = z.split([math.prod(shape) for shape in self.shapes], dim=1)
        latents = [part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=True)]
        x, log_det = self.model.forward_and_log_det(latents)
        log_normal = sum(q.log_prob(part) for q, part in zip(self.model.q0, latents, strict=True))  # type: ignore[operator]
        return torch.flatten(x, 1), log_normal - log_det
