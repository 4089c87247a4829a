"""Files that are whole or absent: atomic writes; and files that one process holds at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cfm.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place, flushed to disk, when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    try:
        yield Path(name)
        with open(name, "rb+") as written:
            os.fsync(written.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[IO[str] | None]:
    """Hold the lock of a file, which is made if need be; the system frees it when the process ends, however it ends.

    Yields the open file; None if `wait` is false and another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except BlockingIOError:
            held = False
        yield file if held else None


def write_text(path: Path, text: str) -> None:
    """Write text atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write sorted, indented JSON atomically; NaN and infinity are refused (they are not JSON)."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; `UserError` if it is missing or damaged: none, with a key twice, with NaN or infinity."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key is given twice")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
        if not isinstance(value, dict):
            raise ValueError("no object")
        return value
    except FileNotFoundError:
        raise UserError(f"{path}: missing; `make reproduce` writes it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged ({type(error).__name__}: {error}); delete it and run again") from None


def write_arrays(path: Path, arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Write an npz without pickle, atomically."""
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, **{name: np.asarray(array) for name, array in arrays.items()})


class TooLarge(ValueError):
    """An archive that would unpack to far more than it is."""


def check_archive(path: Path) -> None:
    """Raise `TooLarge` if a zip or npz is a bomb: more than a gigabyte, and a hundred times its own size."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(1 << 30, 100 * path.stat().st_size):
        raise TooLarge(f"unpacks to {unpacked} bytes")


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read an npz without pickle; `UserError` if it is missing or damaged (a checksum is in the file)."""
    try:
        check_archive(path)
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise UserError(f"{path}: missing; `make reproduce` writes it") from None
    except Exception as error:
        raise UserError(f"{path}: damaged ({type(error).__name__}); delete it and run again") from error


_CHECKSUM = "crc32"


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    import torch

    found = zlib.crc32(json.dumps(dict(metadata), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found = zlib.crc32(f"{name} {tensor.dtype} {[*tensor.shape]}".encode(), found)
        found = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, found)
    return f"{found:08x}"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file atomically, with a checksum of all that is in it (the format has none)."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with atomic(path) as temporary:
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        try:
            save_file(contiguous, temporary, metadata={**metadata, _CHECKSUM: _checksum(contiguous, metadata)})
        except SafetensorError as error:  # what is OSError elsewhere
            raise UserError(f"{path}: cannot be written ({error})") from None


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file; `UserError` if it is missing or damaged."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata: dict[str, str] = file.metadata() or {}
        expected = metadata.pop(_CHECKSUM, None)  # files of earlier versions have none
        if expected is not None and expected != _checksum(tensors, metadata):
            raise ValueError("checksum")
        return tensors, metadata
    except FileNotFoundError:
        raise UserError(f"{path}: missing; `make reproduce` writes it") from None
    except Exception as error:
        raise UserError(f"{path}: damaged ({type(error).__name__}); delete it and run again") from error
