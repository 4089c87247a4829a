"""Carried points as a file: `.h5ad` for scanpy and its like, `.npz` for NumPy. docs/own_data.md lists what is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cfm.errors import UserError
from cfm.files import atomic, write_arrays
from cfm.types import Array, Floats

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".h5ad", ".npz")


@dataclass(frozen=True)
class CarriedFile:
    """`names` (n,) of the points, what is known of them besides (`obs`), what their coordinates are called (`key`).

    `points`, `velocity` (seeds, times, n, dim); `mean`, and `std` of several seeds, (times, n, dim). `about`: arrays,
    texts and numbers on times and seeds, by name; `provenance`: records that are JSON.
    """

    names: Array
    obs: pd.DataFrame | None
    key: str
    points: Floats
    velocity: Floats
    mean: Floats
    std: Floats | None
    about: Mapping[str, Any]
    provenance: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Write the file, in the format that its name ends in."""
        check_suffix(path)
        (self._write_h5ad if path.suffix == ".h5ad" else self._write_npz)(path)

    def _write_npz(self, path: Path) -> None:
        arrays: dict[str, Any] = {"names": self.names.astype(str), "points": self.points, "velocity": self.velocity}
        arrays |= {"mean": self.mean} | ({} if self.std is None else {"std": self.std})
        texts = {name: np.array(value) for name, value in self.about.items()}
        write_arrays(path, {**arrays, **texts, "provenance": np.array(json.dumps(self.provenance))})

    def _write_h5ad(self, path: Path) -> None:
        import anndata
        import pandas as pd

        key = "X_carried" if self.key == "X" or "/" in self.key else self.key
        obs = pd.DataFrame(index=self.names) if self.obs is None else self.obs.set_axis(self.names)
        columns = pd.DataFrame(index=[f"{key}_{k + 1}" for k in range(self.mean.shape[-1])])
        end = len(self.mean) - 1
        obsm = {key: self.mean[end]} | {f"{key}_t{k}": x for k, x in enumerate(self.mean)}
        obsm |= {f"{key}_t{k}_velocity": x for k, x in enumerate(self.velocity.mean(axis=0))}
        if self.std is not None:
            obsm |= {f"{key}_std": self.std[end]} | {f"{key}_t{k}_std": x for k, x in enumerate(self.std)}
        about = {name: _plain(value) for name, value in self.about.items()}
        uns = {"carry": {**about, "key": key, "provenance": json.dumps(self.provenance)}}
        found = anndata.AnnData(self.mean[end].astype(np.float32), obs=obs, var=columns, obsm=obsm, uns=uns)
        with atomic(path) as temporary:
            found.write_h5ad(temporary)


def check_suffix(path: Path) -> None:
    """`UserError` unless the name ends as one of the formats."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"--out {path}: a name that ends in {' or '.join(SUFFIXES)} is expected")


def _plain(value: Any) -> Any:
    """As anndata writes it: sequences as arrays."""
    return np.array(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
