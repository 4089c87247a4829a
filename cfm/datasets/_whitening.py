"""Whitening: every column to mean 0 and standard deviation 1; a column that says nothing cannot be whitened."""

from __future__ import annotations

import numpy as np

from cfm.types import Floats, Indices

# A column beyond the rank of a matrix has a standard deviation of up to 4 roundings of the largest column's: measured
# with scikit-learn's PCA, float32 and float64, four solvers. Eight times that is refused: 4e-6 and 7e-15 of it.
_ROUNDINGS = 32


def whitening(points: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of every column."""
    return points.mean(0), points.std(0)


def constant_columns(points: Floats) -> Indices:
    """The columns of (n, d) that are constant, or vary by no more than rounding makes them.

    That is little of their own magnitude, or of the largest column's variation, from which principal components are
    computed. Rounding is that of float32 if all values are such numbers; it makes no whole numbers.
    """
    single = np.array_equal(points, points.astype(np.float32))
    rounding = _ROUNDINGS * float(np.finfo(np.float32 if single else np.float64).eps)
    spread = points.std(0)
    noise = spread <= rounding * np.maximum(np.abs(points).max(0), spread.max())
    whole = (points == np.round(points)).all(0)
    return np.flatnonzero((points.min(0) == points.max(0)) | (noise & ~whole))
