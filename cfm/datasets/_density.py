"""Targets that are known by a log density, not by samples. One's own is one file: see docs/densities.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from cfm.datasets.base import Dataset
from cfm.errors import RunFailed, one_line
from cfm.rng import DATA_SEED, stream
from cfm.settings import Sizes
from cfm.solvers.trajectory import log_standard_normal
from cfm.types import Points

if TYPE_CHECKING:
    from torch import Tensor

# A usual batch, in which weights must not collapse.
_BATCH = 256
# Chains, and steps of each: to warm up and between draws. The chains of the reference are `_LONGER` times as long.
_CHAINS, _WARMUP, _THIN, _LONGER = 100, 1000, 10, 2
# Points that are looked through for those in a support, that many at once.
_TRIED, _AT_ONCE = 100_000, 10_000
_LONGEST = 200  # characters of what other code says
T = TypeVar("T")


@dataclass(frozen=True)
class Density(Dataset):
    """A log density on R^dim up to a constant, the source is N(0, I). A subclass has `dim` and `log_density`.

    `points`: what is trained on. `importance`: points of N(0, I), weighted by the density over N(x; 0, I) and
    re-sampled by these weights in every batch; `mcmc`: draws of long Markov chains (cfm/datasets/sampling/mala.py).
    """

    points: Literal["importance", "mcmc"]

    @property
    def gaussian_source(self) -> bool:
        return True

    def log_density(self, x: Tensor) -> Tensor:
        """At points (n, dim), up to a constant, shape (n,). Minus infinity outside of the support.

        Differentiable by autograd, or else the Markov chains do without a gradient.
        """
        raise NotImplementedError

    @property
    def log_normaliser(self) -> float | None:
        """Log of the integral of exp `log_density`, if it is known."""
        return None

    def draw_start(self, n: int, rng: np.random.Generator) -> Points:
        """N points (n, dim) where Markov chains may start: those of them that lie in the support."""
        return rng.standard_normal((n, self.dim), dtype=np.float32)

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        """N points: exact ones where a subclass can draw them, else of the chains that are the reference."""
        return self._markov(n, rng, _LONGER)["draws"]

    def at(self, x: Points) -> Points:
        """`log_density` in double precision, checked; raises RunFailed in one line if it is not a log density."""
        import torch

        with torch.no_grad():
            found = self._values(torch.from_numpy(x.astype(np.float64)))
        wrong = torch.isnan(found) | (found == torch.inf)
        if wrong.any():
            where = np.array2string(x[int(wrong.nonzero()[0])], precision=3, threshold=4, max_line_width=200)
            raise RunFailed(f"the log density is NaN or +inf at {int(wrong.sum())} of {len(x)} points, as at {where}")
        return found.numpy().astype(np.float32)

    def _values(self, x: Tensor) -> Tensor:
        """`log_density` as a tensor (n,) in double precision, whatever kind of numbers it gives."""
        import torch

        found = self._asked("log_density", lambda: torch.as_tensor(self.log_density(x)))
        if found.shape != (len(x),):
            raise RunFailed(f"the log density of points {(*x.shape,)} has shape {(*found.shape,)}, not {(len(x),)}")
        if found.is_complex():
            raise RunFailed("the log density is complex: real numbers are expected")
        return found.double()

    def _drawn(self, name: str, n: int, rng: np.random.Generator) -> Points:
        """N points of a method that a subclass may have, checked."""
        found = self._asked(name, lambda: np.asarray(getattr(self, name)(n, rng), dtype=np.float32))
        if found.shape != (n, self.dim) or not np.isfinite(found).all():
            raise RunFailed(
                f"{type(self).__name__}.{name}: finite points {(n, self.dim)} are expected, got {found.shape}"
            )
        return found

    def _asked(self, name: str, call: Callable[[], T]) -> T:
        """What a subclass's code gives; RunFailed with what it raises."""
        try:
            return call()
        except RunFailed:
            raise
        except Exception as error:
            text = " ".join(str(error).split())
            text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
            support = name == "log_density" and isinstance(error, ValueError)
            hint = "; outside of a support it is to return minus infinity" if support else ""
            raise RunFailed(
                one_line(
                    f"{type(self).__name__}.{name} raises {type(error).__name__}{f': {text}' if text else ''}{hint}"
                )
            ) from error

    def prepare(self, sizes: Sizes | None) -> dict[str, Points]:
        """Training points of the chosen kind; fresh points or long chains to compare with. Raises RunFailed."""
        assert sizes is not None  # the check of the configuration sees to it
        self.at(stream(DATA_SEED, "density/check").standard_normal((256, self.dim), dtype=np.float32))
        arrays: dict[str, Points] = {}
        if self.points == "importance":
            for split in ("train", "val"):
                arrays |= self._weighted(split, getattr(sizes, split))
        else:
            found = self._markov(sizes.train + sizes.val, stream(DATA_SEED, "density/chains"), 1)
            arrays["train_1"], arrays["val_1"] = np.split(found["draws"], [sizes.train])
            arrays |= {f"mcmc_{name}": found[name] for name in ("acceptance", "r_hat")}
        tests = self._drawn("draw_target", sizes.test + sizes.test_large, stream(DATA_SEED, "density/test"))
        arrays["test_1"], arrays["test_large_1"] = np.split(tests, [sizes.test])
        normaliser = self._asked("log_normaliser", lambda: self.log_normaliser)
        if normaliser is not None:
            arrays["log_normaliser"] = np.array(normaliser, dtype=np.float32)
        return arrays

    def _weighted(self, split: str, n: int) -> dict[str, Points]:
        from cfm.datasets.sampling.importance import require_effective

        x = stream(DATA_SEED, f"density/{split}").standard_normal((n, self.dim), dtype=np.float32)
        weights = self.at(x) - log_standard_normal(x)
        require_effective(weights, _BATCH)
        return {f"{split}_1": x, f"{split}_log_weight": weights}

    def _markov(self, n: int, rng: np.random.Generator, longer: int) -> dict[str, Points]:
        """N draws in random order, the acceptance, and the largest R-hat over the coordinates."""
        from cfm.datasets.sampling.mala import mala, r_hat

        start = self._starts(rng)
        each = max(2 * longer, -(-n // _CHAINS))
        chains = mala(self._values, start, longer * _WARMUP, each, longer * _THIN, rng)
        draws = rng.permutation(chains.draws.reshape(-1, self.dim))[:n]
        self.at(draws)
        facts = {"acceptance": chains.acceptance, "r_hat": r_hat(chains.draws).max()}
        if not np.isfinite(facts["r_hat"]):
            raise RunFailed(f"the Markov chains do not move: {chains.acceptance:.1%} of their proposals were accepted")
        return {"draws": draws, **{name: np.array(value, dtype=np.float32) for name, value in facts.items()}}

    def _starts(self, rng: np.random.Generator) -> Points:
        """A point in the support for each chain: the first ones that are drawn; if they are few, in turn."""
        found, drawn = np.empty((0, self.dim), np.float32), 0
        while len(found) < _CHAINS and drawn < _TRIED:
            points = self._drawn("draw_start", _CHAINS if not drawn else _AT_ONCE, rng)
            drawn += len(points)
            found = np.concatenate([found, points[self.at(points) > -np.inf]])
        if not len(found):
            raise RunFailed(
                f"none of {drawn} points that the Markov chains may start from lies in the support: "
                f"they are of N(0, I) unless {type(self).__name__} has a method draw_start(n, rng)"
            )
        return found[np.arange(_CHAINS) % len(found)]
