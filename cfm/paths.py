r"""Conditional probability paths p_t(x | z) = N(x | mu_t(z), sigma_t^2 I) and their velocities (paper, Table 1).

With x_t = mu_t + sigma_t eps the conditional flow moves along (Theorem 3 of Lipman et al. 2023)

    u_t(x | z) = sigma_t' / sigma_t (x - mu_t) + mu_t'        so that        u_t(x_t | z) = mu_t' + sigma_t' eps,

and the second form is the one computed: it has no division by sigma_t. A path is written down by its
mean and standard deviation and their time derivatives; `x0`, `x1`, `eps` have one shape, `t` broadcasts
against them and lies in the open interval (0, 1). Nothing here imports torch: tensors bring their own
methods, and reading the names of the paths stays cheap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Path:
    """A Gaussian path with bandwidth `sigma`; subclasses give mean, std and their rates."""

    sigma: float

    equation: ClassVar[str]
    mean_formula: ClassVar[str]
    std_formula: ClassVar[str]
    conditional_ot: ClassVar[bool]  # is the mean the straight line, at constant speed, between its ends?
    general_source: ClassVar[bool] = True  # or is x0 always a standard normal sample?

    def mean(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        """mu_t(z)."""
        raise NotImplementedError

    def mean_rate(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        """D mu_t(z) / dt."""
        raise NotImplementedError

    def std(self, t: Tensor) -> Tensor:
        """sigma_t, of the shape of `t`."""
        raise NotImplementedError

    def std_rate(self, t: Tensor) -> Tensor:
        """D sigma_t / dt, of the shape of `t`."""
        raise NotImplementedError

    def sample(self, x0: Tensor, x1: Tensor, t: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        """x_t = mu_t + sigma_t eps and u_t(x_t | z) = mu_t' + sigma_t' eps, both of the shape of `x1`."""
        xt = self.mean(x0, x1, t) + self.std(t) * eps
        ut = self.mean_rate(x0, x1, t) + self.std_rate(t) * eps
        return xt, ut


class _ConstantWidth(Path):
    """sigma_t = sigma."""

    std_formula = "σ"

    def std(self, t: Tensor) -> Tensor:
        return self.sigma + 0 * t

    def std_rate(self, t: Tensor) -> Tensor:
        return 0 * t


class Linear(_ConstantWidth):
    """mu_t = t x1 + (1 - t) x0, sigma_t = sigma; u_t = x1 - x0 (I-CFM and OT-CFM, eq. 14 and 15)."""

    equation = "eq. 14, 15"
    mean_formula = "t x1 + (1 − t) x0"
    conditional_ot = True

    def mean(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        return t * x1 + (1 - t) * x0

    def mean_rate(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        return x1 - x0


class BrownianBridge(Linear):
    """mu_t = t x1 + (1 - t) x0, sigma_t = sigma sqrt(t (1 - t)) (SB-CFM, eq. 20 and 21).

    sigma_t' = sigma (1 - 2 t) / (2 sqrt(t (1 - t))) has poles at both ends and E[sigma_t'^2] diverges
    logarithmically: the regression target has heavy tails, in the paper as here.
    """

    equation = "eq. 20, 21"
    std_formula = "σ √(t(1 − t))"

    def std(self, t: Tensor) -> Tensor:
        return self.sigma * (t * (1 - t)).sqrt()

    def std_rate(self, t: Tensor) -> Tensor:
        return self.sigma * (1 - 2 * t) / (2 * (t * (1 - t)).sqrt())


class Trigonometric(_ConstantWidth):
    """mu_t = cos(pi t / 2) x0 + sin(pi t / 2) x1, sigma_t = sigma.

    The variance-preserving interpolant (Albergo & Vanden-Eijnden 2023, eq. 5), where sigma = 0.
    """

    equation = "Albergo & Vanden-Eijnden 2023, eq. 5"
    mean_formula = "cos(πt/2) x0 + sin(πt/2) x1"
    conditional_ot = False

    def mean(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        angle = math.pi / 2 * t
        return angle.cos() * x0 + angle.sin() * x1

    def mean_rate(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        angle = math.pi / 2 * t
        return math.pi / 2 * (angle.cos() * x1 - angle.sin() * x0)


class _FromNoise(Path):
    """Paths that start at (nearly) standard normal noise: z = x1 alone, x0 plays no part."""

    general_source = False


class LipmanTarget(_FromNoise):
    """mu_t = t x1, sigma_t = 1 - (1 - sigma) t (flow matching; Lipman et al. 2023, eq. 20 and 21)."""

    equation = "Lipman et al. 2023, eq. 20, 21"
    mean_formula = "t x1"
    std_formula = "1 − (1 − σ) t"
    conditional_ot = True

    def mean(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        return t * x1

    def mean_rate(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        return x1 + 0 * t

    def std(self, t: Tensor) -> Tensor:
        return 1 - (1 - self.sigma) * t

    def std_rate(self, t: Tensor) -> Tensor:
        return 0 * t - (1 - self.sigma)


class VarianceExploding(_FromNoise):
    """mu_t = x1, sigma_t = sigma (sigma_max / sigma)^(1 - t) (VE diffusion; Song et al. 2021, Lipman et al. eq. 16).

    The noise starts with standard deviation sigma_max = 50, not 1: a sampler starts from sigma_max eps.
    """

    sigma_max: ClassVar[float] = 50.0
    equation = "Lipman et al. 2023, eq. 16"
    mean_formula = "x1"
    std_formula = "σ_{1−t}"
    conditional_ot = False

    def mean(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        return x1 + 0 * t

    def mean_rate(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        return 0 * (x1 + t)

    def std(self, t: Tensor) -> Tensor:
        return self.sigma * ((1 - t) * math.log(self.sigma_max / self.sigma)).exp()

    def std_rate(self, t: Tensor) -> Tensor:
        return -math.log(self.sigma_max / self.sigma) * self.std(t)


class VariancePreservingDiffusion(_FromNoise):
    """mu_t = a x1, sigma_t = sqrt(1 - a^2), a = exp(-T(1 - t) / 2) (VP diffusion; Lipman et al. eq. 18, 19).

    T(s) = int_0^s beta, beta(s) = 0.1 + 19.9 s as in Song et al. (2021). `sigma` is not used: the width
    vanishes at t = 1.
    """

    beta_min: ClassVar[float] = 0.1
    beta_max: ClassVar[float] = 20.0
    equation = "Lipman et al. 2023, eq. 18, 19"
    mean_formula = "α_{1−t} x1"
    std_formula = "√(1 − α²_{1−t})"
    conditional_ot = False

    def _exponent(self, t: Tensor) -> Tensor:
        s = 1 - t
        return self.beta_min * s + (self.beta_max - self.beta_min) / 2 * s**2

    def _beta(self, t: Tensor) -> Tensor:
        return self.beta_min + (self.beta_max - self.beta_min) * (1 - t)

    def mean(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        return (-self._exponent(t) / 2).exp() * x1

    def mean_rate(self, x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
        return self._beta(t) / 2 * self.mean(x0, x1, t)

    def std(self, t: Tensor) -> Tensor:
        return (-(-self._exponent(t)).expm1()).sqrt()

    def std_rate(self, t: Tensor) -> Tensor:
        return -self._beta(t) / 2 * (-self._exponent(t)).exp() / self.std(t)


PATHS: dict[str, type[Path]] = {
    "linear": Linear,
    "brownian_bridge": BrownianBridge,
    "lipman": LipmanTarget,
    "trigonometric": Trigonometric,
    "variance_exploding": VarianceExploding,
    "variance_preserving": VariancePreservingDiffusion,
}
