"""U-Nets of a stack of seeds, as velocity fields for points that are pictures."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from cfm.nets.unet import UNet
from cfm.nets.wrapped import Wrapped
from cfm.pictures import shape_of
from cfm.settings import Training


class PictureField(Wrapped):
    """v(t, x) for `t` (stack, n, 1), `x` (stack, n, dim), and labels (stack, n, 1) if there are `classes`."""

    def __init__(self, stack: int, dim: int, settings: Training, classes: int = 0) -> None:
        assert settings.unet is not None
        self.shape = shape_of(dim)
        super().__init__(
            stack, functools.partial(UNet, self.shape, settings.width, settings.depth, settings.unet, classes)
        )

    def forward(self, t: Tensor, x: Tensor, label: Tensor | None = None) -> Tensor:
        velocities = []
        for place, points in enumerate(x):
            known = () if label is None else (label[place, :, 0].long(),)
            found = self.call(place, "forward", t[place, :, 0], points.unflatten(1, self.shape), *known)
            velocities.append(found.flatten(1))
        return torch.stack(velocities)
