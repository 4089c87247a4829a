"""Real NVP and masked autoregressive flows, from the library zuko."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from zuko.flows.autoregressive import MAF
from zuko.flows.coupling import RealNVP


class ZukoFlow(nn.Module):
    """`transforms` layers, whose networks have hidden layers of these widths, between N(0, I) and points (n, dim)."""

    def __init__(self, kind: Literal["realnvp", "maf"], dim: int, transforms: int, widths: list[int]) -> None:
        super().__init__()
        make = {"realnvp": RealNVP, "maf": MAF}[kind]
        self.model = make(dim, transforms=transforms, hidden_features=widths)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density of points (n, dim), shape (n,)."""
        found: Tensor = self.model().log_prob(x)
        return found

    def carry(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Points (n, dim) of N(0, I) to points of the flow with their log density."""
        flow = self.model()
        x, log_det = flow.transform.inv.call_and_ladj(z)
        return x, flow.base.log_prob(z) - log_det
