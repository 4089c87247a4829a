"""Time courses of which one snapshot is left out: trained on the others, tested on it (paper, section 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cfm.datasets.base import Dataset
from cfm.errors import UserError
from cfm.rng import DATA_SEED, stream
from cfm.types import Points

_SHARES = (0.8, 0.1, 0.1)  # train, val, and a tenth that only tests see
_FEWEST = 10  # cells, so that every part has one


@dataclass(frozen=True)
class TimeCourse(Dataset):
    """Points seen at times 0, 1, ..., `snapshots` - 1, without those of time `left_out`.

    The test carries all points of the snapshot before to the time of the one that is left out, and compares them
    with all points there.
    """

    snapshots: int
    left_out: int

    takes_sizes: ClassVar[bool] = False

    @property
    def time_course(self) -> bool:
        return True

    @property
    def gaussian_source(self) -> bool:
        return False

    @property
    def times(self) -> tuple[float, ...]:
        return tuple(float(time) for time in range(self.snapshots) if time != self.left_out)

    @property
    def span(self) -> tuple[float, float]:
        return (float(self.left_out - 1), float(self.left_out))

    def problem(self) -> str | None:
        if 0 < self.left_out < self.snapshots - 1:
            return None
        return (
            f"left_out: {self.left_out} is not between the first time, 0, and the last, {self.snapshots - 1}: "
            "the snapshots before and after it are needed"
        )

    def arrays(self, points: Sequence[Points]) -> dict[str, Points]:
        """What `prepare` returns, from the points of every snapshot.

        The split of a snapshot does not depend on which one is left out.
        """
        for moment, seen in enumerate(points):
            if len(seen) < _FEWEST:
                cells = "1 cell" if len(seen) == 1 else f"{len(seen)} cells"
                raise UserError(f"time {moment} has {cells}: {_FEWEST} or more are needed to train, validate and test")
        found: dict[str, Points] = {}
        for k, time in enumerate(self.times):
            train, val, _ = split(points[int(time)], int(time))
            found |= {f"train_{k}": train, f"val_{k}": val}
        return found | {"test_0": points[self.left_out - 1], "test_1": points[self.left_out]}


def split(points: Points, time: int) -> list[Points]:
    """The points of a snapshot, shuffled and cut 8 : 1 : 1; what is left by rounding goes to the first parts."""
    counts = [int(share * len(points)) for share in _SHARES]
    for k in range(len(points) - sum(counts)):
        counts[k] += 1
    order = stream(DATA_SEED, f"snapshots/{time}").permutation(len(points))
    return np.split(points[order], np.cumsum(counts)[:-1])
