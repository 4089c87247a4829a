"""Pictures to codes and back: training a VAE, and the codes that flows are trained on.

The code of a picture is the mean of the encoder. From every coordinate its mean over the training pictures is taken,
and all are divided by one number, so that the variances have mean 1: distances keep their proportions, and sigma is
measured against a spread of 1. The decoder that is kept undoes this in its first layer.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cfm.errors import RunFailed
from cfm.files import read_tensors, write_tensors
from cfm.nets.kept import as_arrays, from_arrays
from cfm.nets.vae import SHRINKS, VAE
from cfm.rng import stream
from cfm.types import Bytes, Points

Schedule = torch.optim.lr_scheduler.CosineAnnealingLR

_CHUNK = 512  # pictures at once where nothing is trained
_DECODER = "decoder."
_WEIGHT, _MOMENT = "net.", "adam."


@dataclass(frozen=True)
class Autoencoder:
    """Settings of a VAE (`latent`, `width`, `beta`: see there) and of its training by Adam.

    The learning rate falls to zero along half a cosine.
    """

    latent: int
    width: int
    beta: float
    epochs: int
    batch_size: int
    learning_rate: float


def train(settings: Autoencoder, pictures: Bytes, seed: int, device: torch.device, state: Path) -> VAE:
    """A VAE of pictures (n, channels, side, side); `RunFailed` if its loss is not finite.

    Every epoch is kept in `state`, where a training that was killed goes on to the same bits.
    """
    n, channels, side, _ = pictures.shape
    net = VAE(side, channels, settings.latent, settings.width)
    net.initialise(seed)
    net.to(device)
    optimiser = torch.optim.Adam(net.parameters(), lr=settings.learning_rate)
    size = min(settings.batch_size, n)
    batches = n // size
    schedule = Schedule(optimiser, settings.epochs * batches)
    done = _restore(state, net, optimiser, schedule) if state.exists() else 0
    for epoch in range(done, settings.epochs):
        total, order = 0.0, stream(seed, "vae/order", epoch).permutation(n)
        for k in range(batches):
            draws = stream(seed, "vae/noise", epoch * batches + k)
            noise = torch.from_numpy(draws.standard_normal((size, settings.latent), dtype=np.float32))
            x = _unit(pictures[order[k * size : (k + 1) * size]])
            loss = net.loss(x.to(device), noise.to(device), settings.beta).mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        if not math.isfinite(total):
            raise RunFailed(f"the loss of the autoencoder is not finite in epoch {epoch + 1}")
        print(f"autoencoder: epoch {epoch + 1} of {settings.epochs}, loss {total / batches:.4g}", file=sys.stderr)
        _keep(state, epoch + 1, net, optimiser, schedule)
    return net.cpu()


def _keep(state: Path, done: int, net: VAE, optimiser: torch.optim.Adam, schedule: Schedule) -> None:
    tensors = {f"{_WEIGHT}{name}": weight for name, weight in net.state_dict().items()}
    for place, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"{_MOMENT}{place}.{name}": tensor for name, tensor in moments.items()}
    write_tensors(state, tensors, {"epochs": str(done), "schedule": json.dumps(schedule.state_dict())})


def _restore(state: Path, net: VAE, optimiser: torch.optim.Adam, schedule: Schedule) -> int:
    """The epochs that were done."""
    tensors, said = read_tensors(state)
    net.load_state_dict({name.removeprefix(_WEIGHT): x for name, x in tensors.items() if name.startswith(_WEIGHT)})
    moments: dict[int, dict[str, Tensor]] = {}
    for name in (name for name in tensors if name.startswith(_MOMENT)):
        place, quantity = name.removeprefix(_MOMENT).split(".")
        moments.setdefault(int(place), {})[quantity] = tensors[name]
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    schedule.load_state_dict(json.loads(said["schedule"]))
    for group, rate in zip(optimiser.param_groups, schedule.get_last_lr(), strict=True):
        group["lr"] = rate
    return int(said["epochs"])


@torch.no_grad()
def encode(net: VAE, pictures: Bytes, fitted: npt.NDArray[np.int64]) -> dict[str, Points]:
    """`codes` (n, latent) of pictures, standardised by those of the rows `fitted`; and the decoder's weights."""
    chunks = (pictures[first : first + _CHUNK] for first in range(0, len(pictures), _CHUNK))
    means = np.concatenate([net.moments(_unit(chunk))[0].numpy() for chunk in chunks]).astype(np.float64)
    mean, scale = means[fitted].mean(axis=0), np.sqrt(means[fitted].var(axis=0).mean())
    weights = as_arrays(net.decoder, _DECODER)
    first, bias = (weights[f"{_DECODER}0.{name}"].astype(np.float64) for name in ("weight", "bias"))
    weights[f"{_DECODER}0.bias"] = (bias + first @ mean).astype(np.float32)
    weights[f"{_DECODER}0.weight"] = (first * scale).astype(np.float32)
    return {"codes": ((means - mean) / scale).astype(np.float32), **weights}


@torch.no_grad()
def decode(known: Mapping[str, Points], codes: Points) -> Points:
    """Pictures in [0, 1], (n, channels, side, side), of standardised codes; `known` has the decoder's weights."""
    weights = from_arrays(known, _DECODER)
    first, *_, last = (weights[name] for name in weights if name.endswith("weight"))
    width, channels = last.shape[:2]
    side = SHRINKS * math.isqrt(len(first) // (4 * width))
    net = VAE(side, channels, codes.shape[1], width)
    net.decoder.load_state_dict(weights)
    pictures: Points = net.decoder(torch.from_numpy(codes.astype(np.float32))).numpy()
    return pictures


def _unit(pictures: Bytes) -> Tensor:
    """Bytes as numbers from 0 to 1."""
    return torch.from_numpy(pictures).float() / 255
