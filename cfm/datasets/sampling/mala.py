"""The Metropolis-adjusted Langevin algorithm, with many chains side by side (Roberts and Tweedie 1996).

y = x + h grad log p(x) + sqrt(2 h) z,  z ~ N(0, I),   accepted with probability min(1, p(y) q(x|y) / p(x) q(y|x))

Where there is no gradient 0 stands in its place: a random walk (Metropolis et al. 1953), right too, and slower.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cfm.errors import RunFailed
from cfm.types import Points

_ACCEPTANCE = 0.574  # the best rate in high dimensions (Roberts and Rosenthal 1998)
_OF_WALKS = 0.234  # that of random walks (Roberts, Gelman and Gilks 1997)
_SLOWER = 3  # steps of a walk for one with a gradient: then R-hat was about the same or smaller (docs/densities.md)
_FIRST_STEP = 0.05


@dataclass(frozen=True)
class Chains:
    """Draws of all chains, (draws, chains, dim), and the share of proposals that were accepted while they were made."""

    draws: Points
    acceptance: float


def mala(
    log_density: Callable[[Tensor], Tensor], x0: Points, warmup: int, draws: int, thin: int, rng: np.random.Generator
) -> Chains:
    """Chains from `x0` (chains, dim): `draws` draws, `thin` steps apart, after a warm-up that tunes the step size h.

    `log_density` maps (n, dim) to (n,), up to a constant; minus infinity is allowed outside of a support, where no
    chain starts. h is tuned to an acceptance of 0.574 by stochastic approximation (Robbins and Monro) and then kept, as
    detailed balance asks. Without a gradient it is 0.234, and all steps are three times as many.
    """
    x = torch.from_numpy(np.array(x0, dtype=np.float64))
    known = has_gradient(log_density, x)
    looked_up, wanted = (_with_gradient, _ACCEPTANCE) if known else (_without_gradient, _OF_WALKS)
    warmup, thin = (steps if known else _SLOWER * steps for steps in (warmup, thin))
    value, slope = looked_up(log_density, x)
    if not torch.isfinite(value).all():
        raise RunFailed("a Markov chain starts where the log density is not finite")
    log_h, kept, accepted = np.log(_FIRST_STEP), [], 0.0
    for step in range(warmup + draws * thin):
        h = float(np.exp(log_h))
        y = x + h * slope + np.sqrt(2 * h) * torch.from_numpy(rng.standard_normal(x.shape))
        there, back = looked_up(log_density, y)
        forth = (y - x - h * slope).square().sum(1)
        ratio = there - value + (forth - (x - y - h * back).square().sum(1)) / (4 * h)
        ratio = ratio.nan_to_num(nan=-np.inf)
        take = torch.from_numpy(np.log(rng.random(len(x)))) < ratio
        value = torch.where(take, there, value)
        x, slope = torch.where(take[:, None], y, x), torch.where(take[:, None], back, slope)
        rate = float(ratio.clamp_max(0).exp().mean())
        if step < warmup:
            log_h += (rate - wanted) / (step + 1) ** 0.6
        else:
            accepted += rate / (draws * thin)
            if (step - warmup) % thin == thin - 1:
                kept.append(x.numpy().astype(np.float32))
    return Chains(np.stack(kept), accepted)


def r_hat(draws: Points) -> npt.NDArray[np.float64]:
    """Split R-hat of every coordinate of draws (draws, chains, dim): 1 if the chains agree (Gelman et al., BDA3).

    sqrt(((n - 1) / n W + B / n) / W),   W the variance within the half-chains of n draws, B / n that of their means
    """
    n = len(draws) // 2
    halves = np.concatenate([draws[:n], draws[n : 2 * n]], axis=1).astype(np.float64)
    within = halves.var(axis=0, ddof=1).mean(axis=0)
    between = halves.mean(axis=0).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # of chains that do not move
        found: npt.NDArray[np.float64] = np.sqrt((n - 1) / n + between / within)
    return found


def has_gradient(log_density: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    """Can autograd follow it at points (n, dim) where it has a value? Not through NumPy, nor where it is constant."""
    try:
        _with_gradient(log_density, x)
    except Exception:  # what a library says of that is its own affair
        return False
    return True


def _without_gradient(log_density: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return log_density(x.clone()), torch.zeros_like(x)


def _with_gradient(log_density: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        value = log_density(x)
        (slope,) = torch.autograd.grad(value.sum(), x)
    # Where the density is zero no direction is known; such a proposal is refused.
    return value.detach(), slope.nan_to_num(0.0, 0.0, 0.0)
