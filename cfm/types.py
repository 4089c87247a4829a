"""The arrays that are handed about, by what they hold; the shapes are in the docstrings."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Points = npt.NDArray[np.float32]  # of data and what is stored of them
Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


def flat(points: Floats) -> npt.NDArray[np.float64]:
    """Points of any shape as rows of numbers, shape (n, d), float64."""
    return points.reshape(len(points), -1).astype(np.float64)
