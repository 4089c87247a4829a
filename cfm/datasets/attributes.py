"""Pictures without an attribute and with it, unpaired, as codes of a VAE (the paper's translation of CelebA).

q_0 are the codes of pictures without the attribute, q_1 of those with it. The pictures of a file are shuffled and split
once, into 70% for training, 10% for validation and 20% for testing, whatever the attribute: so all attributes share a
VAE that has seen no test picture of any. In validation and test as many codes are kept of one group as of the other,
no more than 1,000; in training all.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from cfm.datasets.base import Dataset
from cfm.datasets.reading.sources import Source
from cfm.errors import UserError
from cfm.rng import DATA_SEED, stream
from cfm.settings import Sizes
from cfm.types import Flags, Indices, Points

_CUTS = {"train": (0.0, 0.7), "val": (0.7, 0.8), "test": (0.8, 1.0)}
_MOST = 1000  # of each group that are validated and tested on
_FEWEST = 2


@dataclass(frozen=True)
class Attributes(Dataset):
    """`file`, `table`, `attribute`: see `cfm.datasets.reading.attribute_files`; several attributes in a list make
    as many data sets.

    `most`: no more than so many pictures, drawn from all; `side`: in pixels, what they are scaled to; the rest: see
    `cfm.nets.autoencoder`.
    """

    file: str
    attribute: str
    side: int
    latent: int
    width: int
    beta: float
    epochs: int
    batch_size: int
    learning_rate: float
    table: str | None = None
    most: int | None = None
    sha256: str | None = None

    takes_sizes = False

    @property
    def dim(self) -> int:
        return self.latent

    @property
    def gaussian_source(self) -> bool:
        return False

    @property
    def sources(self) -> list[Source]:
        """The files: the pictures, and the table of attributes if it is one of its own."""
        return [Source(self.file, self.sha256), *([Source(self.table)] if self.table else [])]

    def problem(self) -> str | None:
        if self.side % 8 or self.side < 8:
            return f"side: a multiple of 8 is expected, got {self.side}"
        return None

    def unavailable_reason(self) -> str | None:
        return next((reason for source in self.sources if (reason := source.unavailable_reason())), None)

    def stamp(self) -> str | None:
        return " ".join(stamp for source in self.sources if (stamp := source.stamp())) or None

    def prepare(self, sizes: Sizes | None) -> dict[str, Points]:
        """Besides the splits: a decoder (`cfm.nets.autoencoder`) and a classifier (`cfm.nets.attribute_classifier`)."""
        from cfm.nets.attribute_classifier import fitted

        rows, flags = self._shuffled()
        groups, arrays = self._groups(flags), self._latents(rows)
        codes = arrays.pop("codes")
        arrays |= {name: codes[places] for name, places in groups.items()}
        return arrays | fitted(arrays["train_0"], arrays["train_1"])

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        """Codes of training pictures with the attribute, none of them in the test set; with replacement if few."""
        rows, flags = self._shuffled()
        places = self._groups(flags)["train_1"]
        return self._latents(rows)["codes"][rng.choice(places, size=n, replace=n > len(places))]

    def _paths(self) -> tuple[Path, Path | None]:
        pictures, *table = (source.verified() for source in self.sources)
        return pictures, (table[0] if table else None)

    def _shuffled(self) -> tuple[Indices, Flags]:
        """The rows of the file in the order in which they are split, and which have the attribute."""
        from cfm.datasets.reading.attribute_files import read_attribute

        flags = read_attribute(*self._paths(), self.attribute)
        rows = stream(DATA_SEED, "attributes").permutation(len(flags))[: self.most]
        return rows, flags[rows]

    def _groups(self, flags: Flags) -> dict[str, Indices]:
        """The places in that order of every split and group, by the name of their array."""
        found = {}
        for split, places in _splits(len(flags)).items():
            groups = [places[flags[places] == bool(group)] for group in (0, 1)]
            count = min(map(len, groups))
            if count < _FEWEST:
                raise UserError(f"{self.file}: '{self.attribute}': fewer than {_FEWEST} {split} pictures in a group")
            for group, members in enumerate(groups):
                found[f"{split}_{group}"] = members if split == "train" else members[: min(count, _MOST)]
        return found

    def _latents(self, rows: Indices) -> dict[str, Points]:
        from cfm.datasets.reading.attribute_files import read_pictures
        from cfm.datasets.reading.latents import latents
        from cfm.nets.autoencoder import Autoencoder

        settings = Autoencoder(**{f.name: getattr(self, f.name) for f in fields(Autoencoder)})
        pictures, table = self._paths()
        return latents(
            settings,
            lambda: read_pictures(pictures, table, self.side, rows),
            (self.side, rows.tolist()),
            [file for file in (pictures, table) if file is not None],
            _splits(len(rows))["train"],
        )


def _splits(n: int) -> dict[str, Indices]:
    return {split: np.arange(round(first * n), round(last * n)) for split, (first, last) in _CUTS.items()}


DATASET = Attributes
