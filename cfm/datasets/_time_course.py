"""Time courses: snapshots at several times; one may be left out of training and tested on (paper, section 5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cfm.datasets.base import Dataset, Prepared
from cfm.errors import UserError
from cfm.rng import DATA_SEED, stream
from cfm.settings import Sizes
from cfm.types import Points

_SHARES = (0.8, 0.1, 0.1)  # train, val, and a tenth that only tests see
_FEWEST = 10  # cells, so that every part has one
_FEWEST_TESTED = 20  # where a tenth is the test: so that it has two, which controls halve


@dataclass(frozen=True)
class Course:
    """The snapshots of a time course: what their times are called, when they are, ascending, and which is left out.

    A test carries points to the end of `span`: all points of the snapshot before the one that is left out; or, where
    none is, a tenth of the last snapshot but one that training never saw.
    """

    labels: tuple[str, ...]
    at: tuple[float, ...]
    left_out: int | None = None

    @classmethod
    def counted(cls, snapshots: int, left_out: int | None) -> Course:
        """Times 0, 1, ..., called so."""
        return cls(tuple(map(str, range(snapshots))), tuple(map(float, range(snapshots))), left_out)

    @property
    def times(self) -> tuple[float, ...]:
        """Of the snapshots that are trained on."""
        return tuple(time for k, time in enumerate(self.at) if k != self.left_out)

    @property
    def tested(self) -> int:
        """The snapshot that the test is compared with; it starts at the one before."""
        return len(self.at) - 1 if self.left_out is None else self.left_out

    @property
    def span(self) -> tuple[float, float]:
        """From when to when the test is carried."""
        return self.at[self.tested - 1], self.at[self.tested]

    def problem(self) -> str | None:
        """What is wrong with `left_out`, in one line; None if nothing is."""
        last = len(self.at) - 1
        if self.left_out is None or 0 < self.left_out < last:
            return None
        if last == 1:
            return f"left_out: {self.left_out}: no time of two lies between others: give no 'left_out'"
        named = [f"{k} ({label})" if label != str(k) else label for k, label in enumerate(self.labels)]
        return (
            f"left_out: {self.left_out} is not between the first time, {named[0]}, and the last, {named[-1]}: "
            f"the snapshots before and after it are needed; it may be {', '.join(named[1:-1])}"
        )

    def arrays(self, points: Sequence[Points]) -> dict[str, Points]:
        """What `prepare` returns, from the points of every snapshot.

        The split of a snapshot does not depend on which one is left out.
        """
        for k, seen in enumerate(points):
            tested = self.left_out is None and k >= self.tested - 1
            fewest, parts = (_FEWEST_TESTED, "halve the test") if tested else (_FEWEST, "test")
            if len(seen) < fewest:
                cells = "1 cell" if len(seen) == 1 else f"{len(seen)} cells"
                name = f"{k}" if self.labels[k] == str(k) else f"{k} ({self.labels[k]})"
                raise UserError(f"time {name} has {cells}: {fewest} or more are needed to train, validate and {parts}")
        found: dict[str, Points] = {}
        for k, snapshot in enumerate(k for k in range(len(self.at)) if k != self.left_out):
            train, val, _ = split(points[snapshot], snapshot)
            found |= {f"train_{k}": train, f"val_{k}": val}
        ends = self.tested - 1, self.tested
        tests = [points[k] if self.left_out is not None else split(points[k], k)[2] for k in ends]
        return found | {"test_0": tests[0], "test_1": tests[1]}


@dataclass(frozen=True)
class TimeCourse(Dataset):
    """Points seen at several times; a family says by `prepared` at which."""

    takes_sizes: ClassVar[bool] = False

    @property
    def time_course(self) -> bool:
        return True

    @property
    def gaussian_source(self) -> bool:
        return False

    def prepare(self, sizes: Sizes | None) -> dict[str, Points]:
        return dict(self.prepared(sizes).arrays)

    def prepared(self, sizes: Sizes | None) -> Prepared:
        raise NotImplementedError

    def of_course(self, course: Course, points: Sequence[Points]) -> Prepared:
        """The samples of a course, from the points of every snapshot."""
        return Prepared(
            course.arrays(points),
            self.dim,
            self.gaussian_source,
            times=course.times,
            span=course.span,
            time_labels=course.labels,
            label_times=course.at,
        )


def split(points: Points, time: int) -> list[Points]:
    """The points of a snapshot, shuffled and cut 8 : 1 : 1; what is left by rounding goes to the first parts."""
    counts = [int(share * len(points)) for share in _SHARES]
    for k in range(len(points) - sum(counts)):
        counts[k] += 1
    order = stream(DATA_SEED, f"snapshots/{time}").permutation(len(points))
    return np.split(points[order], np.cumsum(counts)[:-1])
