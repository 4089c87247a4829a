"""Codes of pictures, made once: the data sets of one file share a VAE and its codes, kept beside the downloads.

The file's name is a digest of all that it depends on: settings, data, rows, and the code of VAE and reader. It is
written whole or not at all, and of several jobs that need it at once one makes it while the others wait. A training
that was killed goes on after its last epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cfm.datasets.reading.sources import cache
from cfm.device import choose, present, taken
from cfm.files import locked, read_arrays, write_arrays
from cfm.fingerprint import canonical, code_digest, digest, file_digest
from cfm.nets.autoencoder import Autoencoder, encode, train
from cfm.rng import DATA_SEED
from cfm.types import Bytes, Points


def latents(
    settings: Autoencoder,
    read: Callable[[], Bytes],
    how_read: Sequence[object],
    files: Sequence[Path],
    trained_on: npt.NDArray[np.int64],
) -> dict[str, Points]:
    """`codes` of all pictures and the decoder's weights (`cfm.nets.autoencoder`), from the cache if they are there.

    `how_read`: what else than `files` decides what `read` gives; `trained_on`: rows of the pictures that the VAE sees.
    """
    code = code_digest("cfm.nets.autoencoder", "cfm.datasets.reading.attribute_files")
    key = canonical([asdict(settings), how_read, trained_on.tolist(), [file_digest(file) for file in files], code])
    path = cache() / "latents" / f"{digest(key)}.npz"
    with locked(path.with_suffix(".lock")):
        if not path.exists():
            pictures, state = read(), path.with_suffix(".safetensors")
            with taken(int(present())):
                net = train(settings, pictures[trained_on], DATA_SEED, choose("auto"), state)
            write_arrays(path, encode(net, pictures, trained_on))
            state.unlink()
    return read_arrays(path)
