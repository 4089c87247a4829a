"""A small convolutional variational autoencoder for square pictures (Kingma and Welling 2014).

With a picture x in [0, 1], its code z ~ N(m(x), diag s(x)^2) and the decoded picture d(z), the objective is

    |x - d(z)|^2 + beta KL(N(m, diag s^2) | N(0, I)),

the negative evidence lower bound, times beta and without a constant, for normal noise of variance beta / 2 on pixels.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from cfm.rng import stream

SHRINKS = 8  # three convolutions that halve the side


class VAE(nn.Module):
    """Of pictures (n, channels, side, side), the side a multiple of 8; its layers are not initialised.

    `latent`: coordinates of a code; `width`: channels of the first layer, which double with each halving of the side.
    """

    def __init__(self, side: int, channels: int, latent: int, width: int) -> None:
        super().__init__()
        small, deep = side // SHRINKS, 4 * width
        with torch.device("meta"):  # a layer's own initialisation would draw from the global generator
            self.encoder = nn.Sequential(
                *(_halving(channels, width), nn.SiLU(), _halving(width, 2 * width), nn.SiLU()),
                *(_halving(2 * width, deep), nn.SiLU(), nn.Flatten(), nn.Linear(deep * small**2, 2 * latent)),
            )
            self.decoder = nn.Sequential(
                *(nn.Linear(latent, deep * small**2), nn.SiLU(), nn.Unflatten(1, (deep, small, small))),
                *(_doubling(deep, 2 * width), nn.SiLU(), _doubling(2 * width, width), nn.SiLU()),
                *(_doubling(width, channels), nn.Sigmoid()),
            )
        self.to_empty(device="cpu")

    def initialise(self, seed: int) -> None:
        """Weights uniform with variance 1 / (inputs of a unit), from the streams `vae/{layer}`; biases zero."""
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                rows = layer.weight[:, 0] if isinstance(layer, nn.ConvTranspose2d) else layer.weight[0]
                stride = layer.stride[0] if isinstance(layer, nn.ConvTranspose2d) else 1
                bound = math.sqrt(3 * stride**2 / rows.numel())
                drawn = stream(seed, f"vae/{name}").uniform(-bound, bound, layer.weight.shape)
                with torch.no_grad():
                    layer.weight.copy_(torch.from_numpy(drawn.astype(np.float32)))
                    assert layer.bias is not None
                    layer.bias.zero_()

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the codes of pictures, each (n, latent)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance

    def loss(self, x: Tensor, noise: Tensor, beta: float) -> Tensor:
        """The objective of pictures, shape (n,); `noise` (n, latent) is standard normal."""
        mean, log_variance = self.moments(x)
        decoded = self.decoder(mean + (log_variance / 2).exp() * noise)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)
        error: Tensor = (x - decoded).square().flatten(1).sum(dim=1)
        return error + beta * divergence


def _halving(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)


def _doubling(inputs: int, outputs: int) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
