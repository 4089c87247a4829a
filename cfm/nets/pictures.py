"""U-Nets of a stack of seeds, as velocity fields for points that are pictures."""

from __future__ import annotations

import functools
from collections.abc import Callable

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
        self.shape, self.fast = shape_of(dim), settings.unet.fast
        super().__init__(
            stack, functools.partial(UNet, self.shape, settings.width, settings.depth, settings.unet, classes)
        )
        self._velocity: Callable[..., Tensor] = torch.compile(self._plain) if self.fast else self._plain

    def forward(self, t: Tensor, x: Tensor, label: Tensor | None = None) -> Tensor:
        velocities = []
        for place, points in enumerate(x):
            pictures = points.unflatten(1, self.shape)
            if self.fast:
                pictures = pictures.contiguous(memory_format=torch.channels_last)
            known = () if label is None else (label[place, :, 0].long(),)
            with torch.autocast(x.device.type, torch.bfloat16, enabled=self.fast and self.training):
                found = self._velocity(self.theta[place], t[place, :, 0], pictures, *known)
            velocities.append(found.float().flatten(1))
        return torch.stack(velocities)

    def uncompiled(self) -> None:
        """Leave the compiler out: for comparison."""
        self._velocity = self._plain

    def _plain(self, row: Tensor, t: Tensor, pictures: Tensor, *known: Tensor) -> Tensor:
        found: Tensor = self.apply_row(row, "forward", t, pictures, *known)
        return found
