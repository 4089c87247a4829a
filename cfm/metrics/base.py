"""What a metric is, and what it may look at."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cfm.types import Floats, Points, flat


@dataclass(frozen=True)
class Evaluation:
    """One run's samples on one test set.

    `x0`, `x1`: source and transported points, shape (n, dim); `target`: test points, shape (m, dim); `energy`: path
    energy of each point, shape (n,), None where only end points are known; `source_target`: W2^2 between source and
    test points, a fact of data and seed, None where no metric asks for it; `train_seconds` and `learning_w2` (mean W2
    of the learning curve): None where nothing was trained; `trajectory`: times (T,) and points (T, n, dim) of the test
    set's paths; `known`: the data set's arrays; `stored`: those of the samples file, for what has no place here.
    """

    x0: Points
    x1: Points
    target: Points
    energy: Points | None
    nfe: int
    sample_seconds: float
    train_seconds: float | None
    learning_w2: float | None
    source_target: float | None
    trajectory: tuple[Points, Points] | None = None
    known: Mapping[str, Points] = field(default_factory=dict)
    stored: Mapping[str, Points] = field(default_factory=dict)

    @functools.cached_property
    def w2_squared(self) -> float:
        """Exact squared 2-Wasserstein distance between transported and test points."""
        from cfm.couplings.exact import wasserstein_power

        return wasserstein_power(flat(self.x1), flat(self.target), 2)

    @functools.cached_property
    def photograph_features(self) -> tuple[Floats, Floats]:
        """Of transported and of test pictures in colour, (n, 1280) and (m, 1280), of cfm/nets/efficientnet.py."""
        from cfm.nets.efficientnet import features

        return features(self.x1), features(self.target)


@dataclass(frozen=True)
class Metric:
    """A number that says how good or how expensive a run is.

    `compute` returns None where the metric does not apply (training time of a control); it is None itself for what
    another stage measures than `evaluate`. `label`: its words in headings and at axes. `better`: which values are,
    lower ones, higher ones, or those near zero; None where a value is neither good nor bad by itself. `per_test_set`:
    computed for each test set (and named `{name}_large` on the large one), or once.
    """

    compute: Callable[[Evaluation], float | None] | None
    label: str
    unit: str
    better: Literal["lower", "higher", "zero"] | None
    per_test_set: bool = True

    def badness(self, value: float) -> float:
        """What of two values is larger for the worse one; `ValueError` if neither is worse."""
        if self.better is None:
            raise ValueError(f"{self.label}: neither higher nor lower is better")
        return {"lower": value, "higher": -value, "zero": abs(value)}[self.better]

    @property
    def direction(self) -> str:
        """Which values are better, in words."""
        return f"{self.better} is better" if self.better else "neither higher nor lower is better"
