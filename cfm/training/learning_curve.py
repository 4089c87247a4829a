"""The learning curve: how far the samples of a half-trained network are from the data (after the paper's Figs. 2 and 3,
left).

At the checks number 1, 2, 4, 8, ... of a training, and at its last one, the validation sources are carried along by
Euler steps, and their exact W2 to the validation targets is noted, for pictures also the Frechet distance in features.
Unlike the loss these mean the same for every method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.errors import RunFailed
from cfm.rng import stream
from cfm.settings import Solver

if TYPE_CHECKING:
    from torch import nn

    from cfm.artifacts.training_log import Row
    from cfm.datasets.base import Prepared
    from cfm.methods.base import Method

_SOLVER = Solver("euler", steps=20)


@dataclass(frozen=True)
class Distances:
    """Between carried sources and targets of the validation set; None where there is no telling.

    `w2` in data units; `frechet` of pictures, in the features that cfm/metrics/frechet.py has for them.
    """

    w2: float | None = None
    frechet: float | None = None


def due(step: int, every: int, steps: int) -> bool:
    """Is W2 measured at this check? At `every` times a power of two, and at the last step."""
    checks, rest = divmod(step, every)
    return step == steps or (rest == 0 and checks & (checks - 1) == 0)


def validation_distances(method: Method, net: nn.Module, data: Prepared, seed: int) -> Distances:
    """None of both if the solver fails, and where no validation points tell: at a time that is left out, or if they are
    weighted."""
    from cfm.couplings.assignment import wasserstein2_squared
    from cfm.methods.base import Start
    from cfm.metrics.frechet import frechet_distance, of_pictures
    from cfm.types import flat

    target = data.target("val")
    if data.times != (0.0, 1.0) or data.span != (0.0, 1.0) or data.count("val") != len(target):
        return Distances()
    if data.weighted("val"):
        return Distances()
    start = Start(data.source("val", seed), None, stream(seed, "sample/val"), labels=data.labels("val"))
    try:
        moved = method.sample(net, start, _SOLVER).x[-1]
        w2 = math.sqrt(wasserstein2_squared(flat(moved), flat(target)))
    except RunFailed:
        return Distances()
    features = of_pictures(data.arrays, moved, target)
    return Distances(w2, None if features is None else frechet_distance(*features))


def mean_w2(rows: Sequence[Row]) -> float | None:
    """The curve in one number: W2's mean over these checks, that is over the logarithm of the step."""
    measured = [row.val_w2 for row in rows if row.val_w2 is not None]
    return sum(measured) / len(measured) if measured else None
