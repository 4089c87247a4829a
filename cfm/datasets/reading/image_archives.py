"""Pictures with labels as their publishers' files have them: MNIST, CIFAR-10, and the digits of scikit-learn.

A reader returns two pools, for training and for testing, of pictures (n, c, h, w) in bytes with labels (n,). Nothing is
unpickled: of CIFAR-10 it is the archive for C programs that is read.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cfm.datasets.reading.sources import Source
from cfm.errors import UserError
from cfm.rng import DATA_SEED, stream
from cfm.types import Bytes


@dataclass(frozen=True)
class Pool:
    """Pictures (n, c, h, w) with their labels (n,)."""

    pictures: Bytes
    labels: Bytes


@dataclass(frozen=True)
class Archive:
    """Where a collection's files are, how they are read, and what one picture is."""

    sources: tuple[Source, ...]
    read: Callable[[Sequence[Path]], tuple[Pool, Pool]]
    shape: tuple[int, int, int]


def _digits(paths: Sequence[Path]) -> tuple[Pool, Pool]:
    """1,797 pictures of 8 x 8 pixels with 17 levels of grey, shuffled once; the last 500 are for testing."""
    from sklearn.datasets import load_digits

    known = load_digits()
    order = stream(DATA_SEED, "digits").permutation(len(known.target))
    pictures = np.round(known.images[order] * 255 / 16).astype(np.uint8)[:, None]
    labels = known.target[order].astype(np.uint8)
    return Pool(pictures[:-500], labels[:-500]), Pool(pictures[-500:], labels[-500:])


def _check(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise UserError(f"{path}: another or a damaged file: the checksum is {found}, expected {expected}; delete it")


# Of what is in the files, since they are also kept compressed anew.
_MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


_MNIST_BYTES = 16 + 60_000 * 28 * 28  # of the largest of them


def _mnist(paths: Sequence[Path]) -> tuple[Pool, Pool]:
    parts = []
    for path, sha256 in zip(paths, _MNIST_SHA256.values(), strict=True):
        try:
            with gzip.open(path) as packed:
                content = packed.read(_MNIST_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(
                f"{path}: not a whole gzip file ({error}); delete it and run `python -m cfm fetch`"
            ) from None
        _check(path, hashlib.sha256(content).hexdigest(), sha256)
        header = 16 if "images" in path.name else 8
        parts.append(np.frombuffer(content, dtype=np.uint8, offset=header))
    pictures = [part.reshape(-1, 1, 28, 28) for part in parts[::2]]
    return Pool(pictures[0], parts[1]), Pool(pictures[1], parts[3])


_CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # as its page says


def _cifar10(paths: Sequence[Path]) -> tuple[Pool, Pool]:
    """Records of a label and 3 x 32 x 32 bytes, in five files of the archive for training and one for testing."""
    _check(paths[0], hashlib.md5(paths[0].read_bytes()).hexdigest(), _CIFAR10_MD5)
    records = {}
    with tarfile.open(paths[0]) as archive:
        for member in archive:
            name = Path(member.name).name
            if name.endswith("_batch.bin") or name.startswith("data_batch_"):
                file = archive.extractfile(member)
                assert file is not None
                records[name] = np.frombuffer(file.read(), dtype=np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    names = [f"data_batch_{k}.bin" for k in range(1, 6)]
    missing = [name for name in (*names, "test_batch.bin") if name not in records]
    if missing:
        raise UserError(f"{paths[0]}: no '{missing[0]}' in it: it is not the archive for C programs")

    def pool(rows: Bytes) -> Pool:
        return Pool(rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0])

    return pool(np.concatenate([records[name] for name in names])), pool(records["test_batch.bin"])


def _cifar10_jpeg(paths: Sequence[Path]) -> tuple[Pool, Pool]:
    """CIFAR-10 as JPEG of quality 75 (lossy, about 30 dB), in the official order."""
    from PIL import Image

    from cfm.datasets.reading.attribute_files import jpeg_files

    with np.load(paths[0], allow_pickle=False) as stored:
        labels = stored["labels"].astype(np.uint8)
    files = jpeg_files(paths[0], np.arange(len(labels)))
    pictures = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files]).transpose(0, 3, 1, 2)
    return Pool(pictures[:50_000], labels[:50_000]), Pool(pictures[50_000:], labels[50_000:])


_MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist"
ARCHIVES = {
    "digits": Archive((), _digits, (1, 8, 8)),
    "mnist": Archive(
        tuple(Source(f"mnist/{name}.gz", url=f"{_MNIST_URL}/{name}.gz") for name in _MNIST_SHA256),
        _mnist,
        (1, 28, 28),
    ),
    "cifar10": Archive(
        (Source("cifar-10-binary.tar.gz", url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"),),
        _cifar10,
        (3, 32, 32),
    ),
    "cifar10_jpeg75": Archive(
        (
            Source(
                "cifar10_jpeg75/cifar10_jpeg75_official_order.npz",
                sha256="06b40ad094a0c8b1b9801a68a5ffe6f502d987af696fd2a94c6b9db8e2a2e604",
            ),
        ),
        _cifar10_jpeg,
        (3, 32, 32),
    ),
}
