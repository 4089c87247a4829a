"""The optimiser of a stack of seeds: AdamW, with warm-up, clipping and a moving average where the settings have them.

The parameters of a seed are one row of one matrix for each part of its network (cfm/nets/stacked.py), so that each of
these is one operation on whole matrices.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from cfm.nets.stacked import parts
from cfm.settings import Training
from cfm.training.data_parallel import Share

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Optimiser:
    """What turns gradients into steps; its state is tensors by name."""

    def __init__(self, net: nn.Module, settings: Training, share: Share) -> None:
        self.settings, self.parts, self.share = settings, parts(net), share
        self.adam = torch.optim.AdamW(
            net.parameters(),
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.average = self.theta() if settings.ema_decay is not None else None

    def theta(self) -> dict[str, Tensor]:
        """A copy of the parameters of every part, one row for each seed."""
        return {name: part.theta.detach().clone() for name, part in self.parts.items()}

    def shown(self) -> dict[str, Tensor]:
        """The parameters that are looked at and sampled from, not copied: the average, if there is one."""
        return self.average or {name: part.theta.detach() for name, part in self.parts.items()}

    def step(self, loss: Tensor, step: int, trained_part: str = "") -> None:
        """Step number `step`, from 0, down the loss of every seed, shape (S,), for one part of the network or all."""
        self.adam.zero_grad(set_to_none=True)
        # Each seed's loss depends on its own rows of theta only; parts whose turn it is not stay as they are.
        trained = [part.theta for name, part in self.parts.items() if trained_part in ("", name)]
        loss.sum().backward(inputs=trained)
        gradients = [theta.grad for theta in trained if theta.grad is not None]
        self.share.average(gradients)
        if self.settings.max_grad_norm is not None:
            _clip(gradients, self.settings.max_grad_norm)
        if self.settings.warmup:
            # As the authors' schedule, whose first step has length zero.
            share = min(step / self.settings.warmup, 1.0)
            self.adam.param_groups[0]["lr"] = share * self.settings.learning_rate
        self.adam.step()
        if self.average is not None:
            assert self.settings.ema_decay is not None
            for name, part in self.parts.items():
                self.average[name].lerp_(part.theta.detach(), 1 - self.settings.ema_decay)

    @contextlib.contextmanager
    def looked_at(self) -> Iterator[None]:
        """The network with the parameters that are `shown`."""
        if self.average is None:
            yield
            return
        own = self.theta()
        self._set(self.average)
        try:
            yield
        finally:
            self._set(own)

    def state(self) -> dict[str, Tensor]:
        """Parameters, moments and average, for `load`."""
        tensors: dict[str, Tensor] = {f"theta.{name}": part.theta for name, part in self.parts.items()}
        for name, part in self.parts.items():
            tensors |= {f"{moment}.{name}": rows for moment, rows in self.adam.state[part.theta].items()}
        return tensors | {f"average.{name}": rows for name, rows in (self.average or {}).items()}

    def load(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Go on from a state."""
        self._set({name: tensors[f"theta.{name}"] for name in self.parts})
        for name, part in self.parts.items():
            moments = {m: tensors[f"{m}.{name}"].to(device) for m in _MOMENTS if f"{m}.{name}" in tensors}
            if moments:
                self.adam.state[part.theta] = moments
        if self.average is not None:
            self.average = {name: tensors[f"average.{name}"].to(device) for name in self.parts}

    def _set(self, rows: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, part in self.parts.items():
                part.theta.copy_(rows[name])


def _clip(gradients: list[Tensor], largest: float) -> None:
    """Scale the gradient of each seed to at most this norm, as torch.nn.utils.clip_grad_norm_ does for one network."""
    norm = torch.stack([gradient.square().sum(dim=1) for gradient in gradients]).sum(dim=0).sqrt()
    scale = (largest / (norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient *= scale[:, None]
