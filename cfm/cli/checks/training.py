"""Training: a loss for each seed, and bits that depend on the seed alone."""

from __future__ import annotations

import torch

from cfm.cli.checks.trial import SEEDS, Trial
from cfm.errors import UserError
from cfm.nets.stacked import parts
from cfm.training.trainer import Trainer


def loss_is_differentiable(trial: Trial) -> None:
    """The loss is one finite number for each seed, and every seed's parameters get a gradient from it."""
    trial.need(training=True)
    net, loss = trial.first_loss(SEEDS)
    if loss.shape != (len(SEEDS),):
        raise UserError(
            f"`loss` has shape {tuple(loss.shape)} for {len(SEEDS)} seeds, not ({len(SEEDS)},): average over points "
            "and coordinates, `.mean(dim=(1, 2))`, not over seeds"
        )
    if not torch.isfinite(loss).all():
        raise UserError(f"`loss` is {loss.tolist()} at the first step: it has to be finite")
    if not loss.requires_grad:
        raise UserError("`loss` does not depend on the network: compute it from its values, without `no_grad`")
    loss.sum().backward()
    for name, part in parts(net).items():
        if trial.method.trained_part(0, 1) in ("", name):
            gradient, shown = part.theta.grad, f"the network{f' {name!r}' if name else ''}"
            if gradient is None or not gradient.abs().amax(dim=1).all():
                raise UserError(
                    f"{shown} gets no gradient: use it in `loss`, or say by `trained_part` whose turn it is"
                )
            if not torch.isfinite(gradient).all():
                raise UserError(f"the gradient of {shown} is not finite: look for a root of zero or a division by zero")


def seeds_decide(trial: Trial) -> None:
    """The same seed has the same loss, another seed another one."""
    trial.need(training=True)
    (_, first), (_, again) = trial.first_loss(SEEDS), trial.first_loss(SEEDS)
    if not torch.equal(first, again):
        raise UserError(
            "the same seed gives another loss the second time: take batch.eps and batch.t, or draw from the `rng` that "
            "is handed in; no global random numbers"
        )
    if len(set(first.tolist())) < len(SEEDS):
        raise UserError("different seeds have the same loss: compute it from the points of each seed's own batch")


def alone_or_stacked(trial: Trial) -> None:
    """A seed has the same bits alone and next to others."""
    trial.need(training=True)
    slot = 1
    if _numbers(trial.trained([SEEDS[slot]]), 0) != _numbers(trial.together, slot):
        raise UserError(
            f"seed {SEEDS[slot]} has other numbers alone than beside {len(SEEDS) - 1} more: mix no seeds, which are "
            "the first axis, in `loss` and `network`, take sin, exp and the like by `batch.per_seed`, and let no layer "
            "end in one column, which torch.bmm rounds otherwise"
        )


def resumes(trial: Trial) -> None:
    """A training that was interrupted ends with the bits of one that was not."""
    trial.need(training=True)
    resumed = trial.trained(SEEDS, interrupted=True)
    if any(_numbers(resumed, slot) != _numbers(trial.together, slot) for slot in range(len(SEEDS))):
        raise UserError(
            "a training that was interrupted ends with other numbers: keep nothing from step to step in the method or "
            "its file; a step may depend on its number, its batch and the network"
        )


def _numbers(trainer: Trainer, slot: int) -> tuple[object, ...]:
    """All that a training leaves of one seed, to the bit, but the seconds."""
    kept = [trainer.layers(slot, which) for which in trainer.checkpoints]
    networks = [(name, x.numpy().tobytes()) for layers in kept for name, x in layers.items()]
    losses = [(row.step, row.train_loss, row.val_loss) for row in trainer.history.rows[slot]]
    return networks, losses, trainer.history.best_step[slot]
