"""Small pictures with labels, from noise: digits, MNIST, CIFAR-10 (paper, section 5.3).

Points are pictures in a row (cfm/pictures.py). The sizes of the experiment say how many of the first training pictures
are trained on, how many of the first and the last test pictures test and validate, and (the large test set) against how
many of the first training pictures the published FID is taken; none of these if it is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cfm.datasets._labelled import labelled
from cfm.datasets.base import Dataset
from cfm.errors import UserError
from cfm.pictures import from_bytes
from cfm.settings import Sizes
from cfm.types import Points

if TYPE_CHECKING:
    from cfm.datasets.reading.image_archives import Archive, Pool


@dataclass(frozen=True)
class Images(Dataset):
    """The archive; `classifier`: passes over the training pictures in which a small network learns their labels.

    Its weights are stored with the data, for distances in its features and for the classes of generated pictures.
    """

    archive: Literal["digits", "mnist", "cifar10", "cifar10_jpeg75"]
    classifier: int | None = None

    @property
    def dim(self) -> int:
        return int(np.prod(self._archive.shape))

    @property
    def class_count(self) -> int:
        return 10

    @property
    def gaussian_source(self) -> bool:
        return True

    def unavailable_reason(self) -> str | None:
        return next((reason for source in self._archive.sources if (reason := source.unavailable_reason())), None)

    def fetch(self) -> None:
        for source in self._archive.sources:
            source.fetch()

    def prepare(self, sizes: Sizes | None) -> dict[str, Points]:
        """The pictures as bytes (n, dim), labels (n, 1), and the classifier's weights and test accuracy."""
        assert sizes is not None
        train, test = self._read()
        for name, asked, pool in (
            ("train", max(sizes.train, sizes.test_large), train),
            ("test + val", sizes.test + sizes.val, test),
        ):
            if asked > len(pool.labels):
                raise UserError(f"sizes: {name}: {self.archive} has {len(pool.labels)} pictures for that, not {asked}")
        splits = {
            "train": (train, slice(sizes.train)),
            "val": (test, slice(len(test.labels) - sizes.val, None)),
            "test": (test, slice(sizes.test)),
            "test_large": (train, slice(sizes.test_large)),
        }
        chosen = {split: (pool.pictures[rows], pool.labels[rows]) for split, (pool, rows) in splits.items()}
        return labelled(chosen, self.class_count, self.classifier)

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        """Training pictures, none twice while there are enough: what a perfect memory would draw."""
        pictures = self._read()[0].pictures
        return from_bytes(pictures[rng.choice(len(pictures), size=n, replace=n > len(pictures))])

    @property
    def _archive(self) -> Archive:
        from cfm.datasets.reading.image_archives import ARCHIVES

        return ARCHIVES[self.archive]

    def _read(self) -> tuple[Pool, Pool]:
        archive = self._archive
        return archive.read([source.verified() for source in archive.sources])


DATASET = Images
