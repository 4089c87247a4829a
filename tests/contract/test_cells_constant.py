"""Columns that say nothing: refused where they would be whitened into noise, allowed where nothing is whitened."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from cfm.datasets._whitening import constant_columns
from cfm.errors import UserError
from cfm.rng import stream
from tests.small_cells import TIME, npz, snapshots

RNG = stream(0, "rank")
LOW = RNG.standard_normal((120, 3)) @ RNG.standard_normal((3, 40)) + 0.3 * TIME[:, None]  # of rank 4


@pytest.mark.parametrize("solver", ["full", "arpack", "randomized", "covariance_eigh"])
@pytest.mark.parametrize("computed", [np.float32, np.float64])
@pytest.mark.parametrize("stored", [np.float32, np.float64])
def test_components_beyond_the_rank_are_refused(tmp_path: Path, solver: str, computed: Any, stored: Any) -> None:
    components = PCA(6, svd_solver=solver, random_state=0).fit_transform(LOW.astype(computed)).astype(stored)
    path = npz(tmp_path, X=components)
    with pytest.raises(UserError, match=r"column 4 of 'X' is constant but for rounding .* so is 5: .*; dims: 4 takes"):
        snapshots(path, dims=6).prepare(None)
    assert len(snapshots(path, dims=4).prepare(None)["test_0"]) == 3 and np.abs(components[:, 4]).max() > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_columns_are_no_rounding(dtype: Any) -> None:
    points = RNG.standard_normal((120, 4)) * [1, 1e-3, 1e-5, 1]
    assert constant_columns(points.astype(dtype).astype(np.float64)).size == 0
    units = RNG.standard_normal((120, 3)) * [1e8, 1, 1] + [0, 0.5, 0]  # nm^2 beside a share
    assert constant_columns(units).size == 0
    counts = np.where(np.arange(120)[:, None] == [0, 3], 1, 0) * [[1e9, 1]] + [[0, 5]]  # one cell has one more
    assert constant_columns(counts.astype(dtype).astype(np.float64)).size == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_that_was_computed_is_one(dtype: Any) -> None:
    shares = RNG.random((120, 50)).astype(dtype)
    total = (shares / shares.sum(1, keepdims=True)).sum(1)
    assert total.min() < total.max()  # not exactly 1
    assert constant_columns(np.column_stack([total, shares[:, 0]]).astype(np.float64)).tolist() == [0]


def test_only_what_is_fitted_has_to_vary(tmp_path: Path) -> None:
    """A gene that is expressed at the left-out time alone."""
    alone = np.column_stack([np.where(TIME == 1, RNG.standard_normal(120), 0), LOW[:, :2]])
    path = npz(tmp_path, X=alone)
    snapshots(path, dims=3, left_out=1).prepare(None)
    with pytest.raises(UserError, match=r"column 0 of 'X' is constant: .* take it out of the matrix in the file"):
        snapshots(path, dims=3, left_out=1, whiten="observed").prepare(None)


def test_nothing_is_whitened_where_it_is_not_asked_for(tmp_path: Path) -> None:
    zeros = np.hstack([np.zeros((120, 2)), LOW[:, :2]])
    prepared = snapshots(npz(tmp_path, X=zeros), whiten="none").prepared(None)
    assert prepared.whiten_mean is not None and prepared.whiten_scale is not None
    np.testing.assert_array_equal(prepared.whiten_mean, np.zeros(4))
    np.testing.assert_array_equal(prepared.whiten_scale, np.ones(4))
    with pytest.raises(UserError, match=r"column 0 of 'X' is constant, and so is 1: it cannot be whitened"):
        snapshots(npz(tmp_path, X=zeros)).prepare(None)


def test_one_column_is_enough(tmp_path: Path) -> None:
    prepared = snapshots(npz(tmp_path, X=LOW[:, :1]), dims=1, left_out=2).prepared(None)
    assert prepared.arrays["test_1"].shape == (30, 1)
