"""Small real data that scikit-learn ships: a table of numbers, or 8 x 8 pictures of digits.

A table is standardised, every column with its own mean and standard deviation. Pictures have 17 grey levels, one unit
apart; they are noised by one unit, so that a density says how probable a picture is (Theis et al. 2016), and
standardised with one mean and one standard deviation for all pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cfm.datasets.base import Dataset
from cfm.rng import DATA_SEED, stream
from cfm.settings import Sizes
from cfm.types import Points

_COLUMNS = {"breast_cancer": 30, "digits": 64}
_VAL, _TEST = 0.1, 0.2  # parts that are held out


@dataclass(frozen=True)
class Scikit(Dataset):
    """The data set's name in scikit-learn; `columns`: the first so many, all unless given."""

    table: Literal["breast_cancer", "digits"]
    columns: int | None = None

    takes_sizes = False

    @property
    def dim(self) -> int:
        return self.columns or _COLUMNS[self.table]

    @property
    def gaussian_source(self) -> bool:
        return True

    def problem(self) -> str | None:
        if self.columns is not None and not 0 < self.columns <= _COLUMNS[self.table]:
            return f"columns: 1 to {_COLUMNS[self.table]} are expected, got {self.columns}"
        return None

    def prepare(self, sizes: Sizes | None) -> dict[str, Points]:
        """The rows, shuffled and cut; `log_scale` is log |det| of the scaling, of pictures."""
        points, scale = self._points()
        points = stream(DATA_SEED, f"scikit/{self.table}").permutation(points)
        cuts = [round(len(points) * part) for part in (1 - _VAL - _TEST, 1 - _TEST)]
        arrays = {
            f"{split}_1": part for split, part in zip(("train", "val", "test"), np.split(points, cuts), strict=True)
        }
        if self.table == "digits":
            arrays["log_scale"] = np.array(-self.dim * np.log(scale), dtype=np.float32)
        return arrays

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        """Rows drawn again, with replacement: there are no fresh ones."""
        return rng.choice(self._points()[0], size=n)

    def _points(self) -> tuple[Points, float]:
        from sklearn import datasets

        table = getattr(datasets, f"load_{self.table}")().data[:, : self.dim]
        if self.table != "digits":
            return ((table - table.mean(axis=0)) / table.std(axis=0)).astype(np.float32), 1.0
        table = table + stream(DATA_SEED, "scikit/noise").random(table.shape)
        return ((table - table.mean()) / table.std()).astype(np.float32), float(table.std())


DATASET = Scikit
