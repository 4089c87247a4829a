"""The times of a data set as its user says them: by the label of a snapshot, or by a number between two of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cfm.datasets.base import Prepared
from cfm.datasets.reading.cells import Cells
from cfm.datasets.reading.columns import as_number, number_text, some
from cfm.datasets.snapshots import Snapshots
from cfm.errors import UserError, nearest
from cfm.types import Floats


@dataclass(frozen=True)
class CourseTimes:
    """`labels` of the snapshots, when they are in the data's own time (`at`, ascending), and as what they were
    observed, in numbers that ascend or descend, if they are known as such. `written`: what the file calls each of them,
    which is several labels where the configuration says that they are one time."""

    labels: tuple[str, ...]
    at: tuple[float, ...]
    observed: tuple[float, ...] | None
    written: tuple[tuple[str, ...], ...]

    @classmethod
    def of_cells(cls, data: Prepared, dataset: Snapshots, cells: Cells) -> CourseTimes:
        """Of cells from a file, which tell their labels as numbers; `UserError` if they are not those of `data`."""
        if cells.labels != data.time_labels:
            raise UserError(
                f"{dataset.file}: its times are {some(cells.labels)}, those of the training were "
                f"{some(data.time_labels)}: run `make reproduce` again"
            )
        written: tuple[tuple[str, ...], ...] = tuple((label,) for label in cells.labels)
        if isinstance(dataset.times, dict):
            told = dataset.times.items()
            written = tuple(tuple(k for k, number in told if number == time) for time in cells.observed or ())
        return cls(cells.labels, data.label_times, cells.observed, written)

    @classmethod
    def of(cls, data: Prepared) -> CourseTimes:
        """Of other data, which are observed at the data's own times, from 0 to 1 unless they say others."""
        at = data.label_times or data.times
        labels = tuple(map(number_text, at))
        return cls(labels, at, at, tuple((label,) for label in labels))

    def place(self, text: str) -> int | None:
        """The snapshot that a text names, by its label or as the same number; None if it names none."""
        for place, (label, written) in enumerate(zip(self.labels, self.written, strict=True)):
            if text in (label, *written):
                return place
        number = as_number(text)
        if number is None or self.observed is None or number not in self.observed:
            return None
        return self.observed.index(number)

    def when(self, text: str, option: str) -> float:
        """The time of the data that a text means; `UserError` with the times that there are if it means none."""
        place = self.place(text)
        if place is not None:
            return self.at[place]
        number, known = as_number(text), f"the times are {some(self.labels)}"
        if number is None:
            raise UserError(f"{option}: no time '{text[:80]}'; {nearest(text[:80], self.labels)}; {known}")
        if self.observed is None:
            raise UserError(f"{option}: '{text[:80]}': a number lies between none of these labels; {known}")
        if not min(self.observed) <= number <= max(self.observed):
            raise UserError(f"{option}: {text[:80]} is before the first time or after the last; {known}")
        order = np.argsort(self.observed)
        return float(np.interp(number, np.array(self.observed)[order], np.array(self.at)[order]))

    def numbers(self, at: Floats) -> Floats:
        """The observed numbers of times of the data, between snapshots in proportion; these themselves if none."""
        return np.interp(at, self.at, self.at if self.observed is None else self.observed)

    def names(self, at: Floats) -> list[str]:
        """Labels of times of the data, of those between snapshots their numbers."""
        numbers = self.numbers(at)
        known = dict(zip(self.at, self.labels, strict=True))
        return [known.get(float(time), f"{number:.6g}") for time, number in zip(at, numbers, strict=True)]
