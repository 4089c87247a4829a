"""Named, counter-based random streams: the only source of randomness in the project.

A stream is addressed by (seed, name, step) and needs no state: the numbers of step 700 are the same
whether the run got there in one go, after a kill, or next to other seeds.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import numpy.typing as npt

# The authors' loaders make every data set with seed 42, whatever the training seed.
DATA_SEED = 42

# 2^-24, the middle of the first of 2^23 cells: every value drawn is exact in float32 and inside (0, 1).
_HALF_CELL = 2.0**-24


@functools.cache
def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def stream(seed: int, name: str, step: int = 0) -> np.random.Generator:
    """Generator of the stream `(seed, name, step)`; independent of every other triple (Philox 4x64)."""
    key = np.array([seed, _key(name)], dtype=np.uint64)
    counter = np.array([0, 0, 0, step], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def open_uniform(rng: np.random.Generator, n: int) -> npt.NDArray[np.float32]:
    """`n` draws, uniform on the open interval (0, 1), shape (n,).

    0 and 1 never occur: the Brownian bridge's velocity has a pole there.
    """
    return (rng.integers(2**23, size=n).astype(np.float32) * np.float32(2 * _HALF_CELL)) + np.float32(_HALF_CELL)
