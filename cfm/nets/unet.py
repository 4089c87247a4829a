"""The U-Net of diffusion models (Ho et al. 2020, in the form of Dhariwal and Nichol 2021) as a velocity field v(t, x).

Residual blocks at every resolution, halved from level to level, with skip connections from the way down to the way up
and self-attention at the sides named in the settings and in the middle. Time, and the class if there are classes, are
embedded and added to the channels of every block. With the paper's settings for CIFAR-10 it has 35,746,307 parameters.
It is ours, and not a library's, since no library that is kept well builds exactly this one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from cfm.errors import UserError
from cfm.pictures import unet_problem
from cfm.settings import UNetSettings

_PERIOD = 10_000.0  # longest period of the time embedding; t in [0, 1] enters unscaled, as in the authors' code


class UNet(nn.Module):
    """Velocities of square pictures `x` (n, c, h, h) at times `t` (n,), given labels (n,) if there are `classes`.

    `UserError` if the settings make no network for such pictures.
    """

    def __init__(
        self, shape: tuple[int, int, int], channels: int, blocks: int, settings: UNetSettings, classes: int = 0
    ) -> None:
        super().__init__()
        problem = unet_problem(shape, channels, settings)
        if problem is not None:
            raise UserError(problem)
        self.channels, self.patch = channels, settings.patch
        depth, side, width = shape[0] * settings.patch**2, shape[1] // settings.patch, 4 * channels
        self.embed = nn.Sequential(nn.Linear(channels, width), nn.SiLU(), nn.Linear(width, width))
        self.classes = nn.Embedding(classes, width) if classes else None
        self.first = nn.Conv2d(depth, channels, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        now, skips = channels, [channels]

        def level(fan_in: int, fan_out: int) -> _Level:
            return _Level(fan_in, fan_out, width, settings, side in settings.attention)

        for k, multiplier in enumerate(settings.multipliers):
            for _ in range(blocks):
                self.down.append(level(now, multiplier * channels))
                now = multiplier * channels
                skips.append(now)
            if k < len(settings.multipliers) - 1:
                self.down.append(nn.Conv2d(now, now, 3, stride=2, padding=1))
                skips.append(now)
                side //= 2
        self.middle = nn.ModuleList([_Level(now, now, width, settings, True), _Residual(now, now, width, settings)])
        for k, multiplier in reversed(list(enumerate(settings.multipliers))):
            for _ in range(blocks + 1):
                self.up.append(level(now + skips.pop(), multiplier * channels))
                now = multiplier * channels
            if k:
                self.up.append(_Double(now))
                side *= 2
        self.last = nn.Sequential(_norm(now), nn.SiLU(), _zeros(nn.Conv2d(now, depth, 3, padding=1)))

    def forward(self, t: Tensor, x: Tensor, label: Tensor | None = None) -> Tensor:
        embedded = self.embed(time_features(t, self.channels))
        if self.classes is not None:
            assert label is not None
            embedded = embedded + self.classes(label)
        x = self.first(functional.pixel_unshuffle(x, self.patch))
        skips = [x]
        for part in self.down:
            x = part(x) if isinstance(part, nn.Conv2d) else part(x, embedded)
            skips.append(x)
        for part in self.middle:
            x = part(x, embedded)
        for part in self.up:
            x = part(x) if isinstance(part, _Double) else part(torch.cat([x, skips.pop()], dim=1), embedded)
        return functional.pixel_shuffle(self.last(x), self.patch)


def time_features(t: Tensor, n: int) -> Tensor:
    """Cosines and sines of t (m,) at n / 2 frequencies from 1 down to 1 / 10,000, shape (m, n)."""
    frequencies = torch.exp(-math.log(_PERIOD) * torch.arange(n // 2, device=t.device) / (n // 2))
    angles = t[:, None].float() * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class _Residual(nn.Module):
    """Two convolutions around which the input is carried; the second one starts at zero."""

    def __init__(self, fan_in: int, fan_out: int, embedding: int, settings: UNetSettings) -> None:
        super().__init__()
        self.before = nn.Sequential(_norm(fan_in), nn.SiLU(), nn.Conv2d(fan_in, fan_out, 3, padding=1))
        self.embedding = nn.Sequential(nn.SiLU(), nn.Linear(embedding, fan_out))
        last = _zeros(nn.Conv2d(fan_out, fan_out, 3, padding=1))
        self.after = nn.Sequential(_norm(fan_out), nn.SiLU(), nn.Dropout(settings.dropout), last)
        self.carry = nn.Identity() if fan_in == fan_out else nn.Conv2d(fan_in, fan_out, 1)

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        hidden = self.before(x) + self.embedding(embedded)[:, :, None, None]
        found: Tensor = self.carry(x) + self.after(hidden)
        return found


class _Attention(nn.Module):
    """Self-attention between all pixels, added to the input."""

    def __init__(self, channels: int, settings: UNetSettings) -> None:
        super().__init__()
        self.heads = max(1, channels // settings.head_channels)
        if channels % self.heads:
            raise UserError(
                f"unet: {channels} channels make no {self.heads} equal heads of about {settings.head_channels}: "
                "give another head_channels"
            )
        self.norm = _norm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.out = _zeros(nn.Conv1d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        qkv = self.qkv(self.norm(flat)).unflatten(1, (3, self.heads, -1)).transpose(3, 4)
        mixed = functional.scaled_dot_product_attention(*qkv.unbind(1))
        found: Tensor = flat + self.out(mixed.transpose(2, 3).flatten(1, 2))
        return found.reshape(x.shape)


class _Level(nn.Module):
    """A residual block, and attention after it where the settings have it."""

    def __init__(self, fan_in: int, fan_out: int, embedding: int, settings: UNetSettings, attends: bool) -> None:
        super().__init__()
        self.residual = _Residual(fan_in, fan_out, embedding, settings)
        self.attention = _Attention(fan_out, settings) if attends else nn.Identity()

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        found: Tensor = self.attention(self.residual(x, embedded))
        return found


class _Double(nn.Module):
    """Twice the side: every pixel four times, and a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return found


def _norm(channels: int) -> nn.Module:
    """32 groups, or fewer of four channels each: from a single channel it would take what the embedding adds."""
    return nn.GroupNorm(math.gcd(32, channels // 4), channels)


def _zeros(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module
