"""One's own pictures with classes, from noise: a zip with a folder for each class (docs/own_data.md).

Points are pictures in a row (cfm/pictures.py). Each class is shuffled once and split, 70% for training, 10% for
validation and 20% for testing; the sizes of an experiment say how many of all are taken at most, and (the large test
set) against how many training pictures a published distance is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cfm.datasets._labelled import labelled
from cfm.datasets.base import Dataset
from cfm.datasets.reading.sources import Source
from cfm.errors import UserError
from cfm.pictures import from_bytes
from cfm.rng import DATA_SEED, stream
from cfm.settings import Sizes
from cfm.types import Bytes, Indices, Points

_CUTS = {"train": (0.0, 0.7), "val": (0.7, 0.8), "test": (0.8, 1.0)}
_FEWEST = 10  # of a class: seven to train on, one to validate, two to test
_SMALLEST = 4  # pixels, which the classifier halves twice

_Named = list[tuple[str, int]]  # names of pictures in the file, each with its class


@dataclass(frozen=True)
class PictureFolders(Dataset):
    """`file`: the zip; `classes`: its folders, in the order in which pictures are shown.

    `side`: in pixels, what the largest central square is scaled to; `colour`: red, green and blue, or grey.
    `classifier`: passes over the training pictures in which a small network learns their classes; its weights are
    stored with the data, for distances in its features and for the classes of generated pictures.
    """

    file: str
    classes: tuple[str, ...]
    side: int
    colour: bool = True
    classifier: int | None = None
    sha256: str | None = None

    @property
    def dim(self) -> int:
        return (3 if self.colour else 1) * self.side**2

    @property
    def class_count(self) -> int:
        return len(self.classes)

    @property
    def gaussian_source(self) -> bool:
        return True

    @property
    def source(self) -> Source:
        """The zip."""
        return Source(self.file, self.sha256)

    def problem(self) -> str | None:
        if self.side < _SMALLEST:
            return f"side: {_SMALLEST} or more is expected, got {self.side}"
        if len(set(self.classes)) < max(2, len(self.classes)):
            return f"classes: two or more different ones are expected, got {[*self.classes]}"
        if self.classifier is not None and self.classifier < 1:
            return f"classifier: one or more passes are expected, got {self.classifier}"
        return None

    def unavailable_reason(self) -> str | None:
        return self.source.unavailable_reason()

    def stamp(self) -> str | None:
        return self.source.stamp()

    def prepare(self, sizes: Sizes | None) -> dict[str, Points]:
        """The pictures as bytes (n, dim), labels (n, 1), and the classifier's weights and test accuracy."""
        assert sizes is not None
        splits = self._splits()
        chosen = {split: splits[split][: getattr(sizes, split)] for split in _CUTS}
        chosen["test_large"] = splits["train"][: sizes.test_large]
        arrays = {split: (self._read(named), np.array([k for _, k in named])) for split, named in chosen.items()}
        return labelled(arrays, self.class_count, self.classifier)

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        """Training pictures, none twice while there are enough: what a perfect memory would draw."""
        named = self._splits()["train"]
        rows = rng.choice(len(named), size=n, replace=n > len(named))
        found, places = np.unique(rows, return_inverse=True)
        return from_bytes(self._read([named[row] for row in found])[places])

    def _splits(self) -> dict[str, _Named]:
        """Every split with its share of every class, in an order that mixes them."""
        from cfm.datasets.reading.class_folders import class_folders, require_classes
        from cfm.datasets.reading.picture_files import opened

        path = self.source.verified()
        with opened(path) as archive:
            folders = class_folders(archive)
            require_classes(archive, folders, self.classes)
        found: dict[str, _Named] = {split: [] for split in _CUTS}
        for k, name in enumerate(self.classes):
            pictures = folders[name]
            if len(pictures) < _FEWEST:
                raise UserError(f"{path}: '{name}' has {len(pictures)} pictures: {_FEWEST} or more are expected")
            order = stream(DATA_SEED, "picture_folders/class", k).permutation(len(pictures))
            for split, (first, last) in _CUTS.items():
                rows = order[round(first * len(order)) : round(last * len(order))]
                found[split] += [(pictures[row], k) for row in rows]
        return {split: _mixed(named, split) for split, named in found.items()}

    def _read(self, named: Sequence[tuple[str, int]]) -> Bytes:
        """Pictures (n, channels, side, side)."""
        from cfm.datasets.reading.attribute_files import decoded
        from cfm.datasets.reading.decoding import in_colour, in_grey
        from cfm.datasets.reading.picture_files import opened

        channels = in_colour if self.colour else in_grey
        path = self.source.verified()
        with opened(path) as archive:
            squares = [channels(decoded(path, f"'{name}'", archive.read(name), self.side)) for name, _ in named]
        return np.array(squares, np.uint8).reshape(len(named), 3 if self.colour else 1, self.side, self.side)


def _mixed(named: _Named, split: str) -> _Named:
    order: Indices = stream(DATA_SEED, f"picture_folders/{split}").permutation(len(named))
    return [named[row] for row in order]


DATASET = PictureFolders
