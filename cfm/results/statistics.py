"""Paired comparison of methods over seeds.

The seeds of two methods share test points, sources and random streams, so their differences d_s = above_s - below_s
are compared with zero by Student's one-sample t-test. What such a test can see follows from the noncentral t
distribution (Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd edition, 1988, chapter 2).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVEL = 0.05  # of every test
CONFIDENCE = 0.95  # of every interval
POWER = 0.8  # how surely a difference is to be seen that is there
MOST_SEEDS = 10_000  # beyond these nobody runs more, and the number means no more


@dataclass(frozen=True)
class Paired:
    """Mean difference over n seeds with its 95% confidence interval and effect size d_z (mean / std).

    `p`: one-sided p-value against "the difference is not positive", `p_reverse` against "it is not negative". With one
    seed, or differences that are all equal, there is no t-test: p is 1, but 0 for equal differences of that sign.
    """

    n: int
    mean: float
    low: float
    high: float
    effect: float
    p: float
    p_reverse: float

    @property
    def two_sided(self) -> float:
        """The p-value against "there is no difference"; 1 with one seed, 0 for equal differences that are not zero."""
        if self.n == 1 or self.mean == 0:
            return 1.0
        return min(1.0, 2 * min(self.p, self.p_reverse))


def paired(below: Mapping[int, float], above: Mapping[int, float]) -> Paired:
    """Compare above - below, values by seed; only seeds that both have count. ValueError if there is none."""
    from scipy.special import stdtr

    seeds = sorted(below.keys() & above.keys())
    if not seeds:
        raise ValueError("no seed in common")
    difference = np.array([above[seed] - below[seed] for seed in seeds])
    n, mean = len(seeds), float(difference.mean())
    if n == 1:
        return Paired(1, mean, -math.inf, math.inf, math.nan, 1.0, 1.0)
    std = float(difference.std(ddof=1))
    if std == 0:
        effect = math.copysign(math.inf, mean) if mean else 0.0
        return Paired(n, mean, mean, mean, effect, float(mean <= 0), float(mean >= 0))
    half = float(half_width(std, n))
    p = float(stdtr(n - 1, -mean / std * math.sqrt(n)))
    return Paired(n, mean, mean - half, mean + half, mean / std, p, 1 - p)


def half_width(std: Any, n: Any) -> Any:
    """Half of the confidence interval (Student's t) of a mean over n seeds; numbers or arrays of them."""
    from scipy.special import stdtrit

    return stdtrit(n - 1, 0.5 + CONFIDENCE / 2) * std / n**0.5


def power(effect: float, n: int, sides: int = 2) -> float:
    """How probably the t-test at `LEVEL` over n seeds, on one or two sides, finds a difference of `effect` (d_z)."""
    from scipy.special import nctdtr, stdtrit

    if n < 2:
        return 0.0
    threshold, shift = float(stdtrit(n - 1, 1 - LEVEL / sides)), abs(effect) * math.sqrt(n)
    if shift > 9 * threshold:  # missed with a probability below 1e-5; SciPy 1.17 gives nan in parts of this range
        return 1.0
    # The other side is no likelier than a normal variable below -shift: 1e-9 at 6, and from 8 on SciPy 1.17 gives nan.
    below = float(nctdtr(n - 1, shift, -threshold)) if sides == 2 and shift < 6 else 0.0
    return 1 - float(nctdtr(n - 1, shift, threshold)) + below


def seeds_needed(effect: float) -> int | None:
    """The fewest seeds with which the two-sided test finds such an effect with probability `POWER`.

    None if `MOST_SEEDS` are too few, or the effect is not known.
    """
    if math.isnan(effect) or math.isinf(effect) or power(effect, MOST_SEEDS) < POWER:
        return None
    low, high = 1, MOST_SEEDS  # not enough, enough: power grows with the seeds
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, middle) >= POWER else (middle, high)
    return high


@functools.cache
def smallest_seen(n: int) -> float:
    """The effect d_z that the one-sided test over n seeds, two or more, finds with probability `POWER`."""
    from scipy.optimize import brentq

    return float(brentq(lambda effect: power(effect, n, sides=1) - POWER, 0, 100))


@dataclass(frozen=True)
class Best:
    """Of some methods the best by mean over seeds with those that a test cannot tell from it (`names`, empty where no
    method has two seeds), on how many shared seeds it compared, and those that it could not compare (`untested`)."""

    names: frozenset[str] = frozenset()
    seeds: frozenset[int] = frozenset()
    untested: frozenset[str] = frozenset()


def indistinguishable(values: Mapping[str, Mapping[int, float]]) -> Best:
    """The best of some methods, values by name and seed, and those that a paired one-sided t-test cannot tell from it.

    Best is the lowest mean over seeds of the methods with two seeds or more. What shares fewer than two seeds with it
    is not tested, and may be lower.
    """
    several = {name: mine for name, mine in values.items() if len(mine) > 1}
    if not several:
        return Best(untested=frozenset(values))
    best = min(several, key=lambda name: float(np.mean([*several[name].values()])))
    shared = {name: len(mine.keys() & several[best].keys()) for name, mine in several.items()}
    tested = {name: n for name, n in shared.items() if n > 1}
    names = {name for name in tested if name == best or paired(several[best], several[name]).p >= LEVEL}
    compared = {n for name, n in tested.items() if name != best}
    return Best(frozenset(names), frozenset(compared), frozenset(values.keys() - tested.keys()))
