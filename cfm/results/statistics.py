"""Paired comparison of methods over seeds.

The seeds of two methods share test points, sources and random streams, so their differences d_s = above_s - below_s
are compared with zero by Student's one-sample t-test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

LEVEL = 0.05  # of every test
CONFIDENCE = 0.95  # of every interval


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


def indistinguishable(values: Mapping[str, Mapping[int, float]]) -> set[str]:
    """The best of some methods, values by name and seed, and those that a paired one-sided t-test cannot tell from it.

    Best is the lowest mean over seeds. Empty if no method has two seeds.
    """
    several = {name: mine for name, mine in values.items() if len(mine) > 1}
    if not several:
        return set()
    best = min(several, key=lambda name: float(np.mean([*several[name].values()])))
    shared = {name for name, mine in several.items() if len(mine.keys() & several[best].keys()) > 1}
    return {name for name in shared if name == best or paired(several[best], several[name]).p >= LEVEL}
