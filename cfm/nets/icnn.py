"""Input-convex networks (Amos, Xu and Kolter 2017), many seeds at once on a leading axis."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cfm.nets.stacked import Stacked, padded


class StackedICNN(Stacked):
    """`stack` scalar networks of x, with `depth` hidden layers of `width`:

    z_1 = softplus(x A_0 + b_0),  z_{k+1} = softplus(z_k W_k + x A_k + b_k),  f(x) = z_depth W + x A.

    f is convex in x where all W_k >= 0 (softplus is convex and increasing); `negativity` measures how far they are
    from that.
    """

    def __init__(self, stack: int, dim: int, width: int, depth: int) -> None:
        shapes: dict[str, tuple[int, ...]] = {}
        for k in range(depth):
            shapes |= {f"hidden.{k}.weight": (width, width)} if k else {}
            shapes |= {f"input.{k}.weight": (dim, width), f"input.{k}.bias": (width,)}
        shapes |= {"hidden.out.weight": (width, 1), "input.out.weight": (dim, 1)}
        super().__init__(stack, shapes)

    def forward(self, x: Tensor) -> Tensor:
        """f(x) of shape (stack, n) at points (stack, n, dim)."""
        points, n = padded(x), x.shape[1]
        first, bias, *layers, hidden_out, input_out = self.layers()
        z = nn.functional.softplus(torch.baddbmm(bias, points, first))
        for k in range(0, len(layers), 3):
            hidden, given, bias = layers[k : k + 3]
            z = nn.functional.softplus(torch.baddbmm(torch.baddbmm(bias, points, given), z, hidden))
        return torch.baddbmm(torch.bmm(points, input_out), z, hidden_out)[:, :n, 0]

    def gradient(self, x: Tensor) -> Tensor:
        """Grad f at points (stack, n, dim), differentiable in `theta` and x."""
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self(x).sum(), x, create_graph=True)
        return slope

    def negativity(self) -> Tensor:
        """1/2 sum of relu(-W)^2 over the weights W between hidden layers, shape (stack,)."""
        hidden = [w for name, w in zip(self.shapes, self.layers(), strict=True) if name.startswith("hidden")]
        return 0.5 * torch.stack([torch.relu(-w).square().sum(dim=(1, 2)) for w in hidden]).sum(dim=0)
