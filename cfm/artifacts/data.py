"""`data.npz`: the prepared samples of a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cfm.datasets.base import SPLITS, Prepared
from cfm.errors import UserError
from cfm.files import read_arrays, write_arrays
from cfm.pictures import from_bytes

_FACTS = ("dim", "gaussian_source", "times", "span")  # of the data set, kept beside its samples
# Of a time course, and of whitened points, the rest of what `Prepared` knows; absent where it is not known.
_COURSE = ("time_labels", "label_times")
_WHITENING = ("whiten_mean", "whiten_scale")
_POINTS = {f"{split}_{k}" for split in SPLITS for k in (0, 1)}


def save(data: Prepared, path: Path) -> None:
    """Write prepared samples."""
    failure = {} if data.failure is None else {"failure": np.array(data.failure)}
    course = {name: getattr(data, name) for name in _COURSE if data.time_labels}
    whitening = {name: getattr(data, name) for name in _WHITENING if data.whiten_mean is not None}
    facts = {name: getattr(data, name) for name in _FACTS}
    write_arrays(path, {**data.arrays, **facts, **course, **whitening, **failure})


def load(path: Path) -> Prepared:
    """Read the prepared samples; pictures, which are stored as bytes, as points.

    `UserError` if they are missing or not what `save` writes.
    """
    stored = read_arrays(path)
    try:
        dim, gaussian_source, times, span = (stored.pop(name).tolist() for name in _FACTS)
        failure = stored.pop("failure").item() if "failure" in stored else None
        labels, label_times = (tuple(stored.pop(name, np.array([])).tolist()) for name in _COURSE)
        mean, scale = (stored.pop(name, None) for name in _WHITENING)
        arrays = {name: from_bytes(x) if x.dtype == np.uint8 else x.astype(np.float32) for name, x in stored.items()}
        data = Prepared(
            arrays,
            dim,
            gaussian_source,
            times=tuple(times),
            span=(span[0], span[1]),
            failure=failure,
            time_labels=labels,
            label_times=label_times,
            whiten_mean=mean,
            whiten_scale=scale,
        )
        points = [x for name, x in arrays.items() if name in _POINTS]
        if len(labels) != len(label_times) or any(x is not None and x.shape != (dim,) for x in (mean, scale)):
            raise ValueError
        if failure is None and not (points and all(x.shape[1:] == (dim,) and np.isfinite(x).all() for x in points)):
            raise ValueError
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise UserError(f"{path}: damaged (not as prepared data are); delete it and run again") from None
    return data


def time_labels(path: Path) -> tuple[str, ...]:
    """What the times of a time course are called, without reading its points; none where that is not kept."""
    if not path.exists():
        return ()
    try:
        with np.load(path, allow_pickle=False) as stored:
            return tuple(stored["time_labels"].tolist()) if "time_labels" in stored.files else ()
    except Exception as error:
        raise UserError(f"{path}: damaged ({type(error).__name__}); delete it and run again") from error
