"""The two-dimensional data are what docs/conventions.md says, the two 8gaussians among them."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cfm.couplings.assignment import wasserstein2_squared
from cfm.datasets.toy2d import Toy2d, eight_gaussians, eight_gaussians_wide, moons, moons_wide, scurve
from cfm.rng import stream
from cfm.settings import Sizes

SIZES = Sizes(train=4000, val=500, test=1000, test_large=2000)


@pytest.mark.parametrize(("draw", "radius", "std"), [(eight_gaussians, 5.0, 1.0), (eight_gaussians_wide, 12.0, 1.5)])
def test_rings(draw, radius: float, std: float) -> None:  # type: ignore[no-untyped-def]
    """Eight modes at angles k pi / 4: E|x|^2 = r^2 + 2 s^2, and the spread around the nearest centre."""
    points = draw(80_000, stream(0, "test"))
    assert (points**2).sum(1).mean() == pytest.approx(radius**2 + 2 * std**2, rel=0.01)
    angles = np.arange(8) * np.pi / 4
    centres = radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    mode = cdist(points, centres).argmin(1)
    assert np.bincount(mode) / 80_000 == pytest.approx(np.full(8, 1 / 8), abs=0.01)
    fourth = ((points - centres[mode]) ** 2).sum(1)  # a point may be nearer to a neighbour: the median is robust
    assert np.median(fourth) == pytest.approx(2 * np.log(2) * std**2, rel=0.05)


def test_moons_and_curve() -> None:
    points = moons(20_000, stream(0, "test"))
    assert points.mean(0) == pytest.approx([0.0, 0.5], abs=0.03)  # sklearn's moons are centred at (1/2, 1/4)
    wide = moons_wide(20_000, stream(0, "test"))
    assert wide.mean() == pytest.approx(0, abs=1e-3) and wide.std() == pytest.approx(7, abs=1e-3)
    curve = scurve(20_000, stream(0, "test"))
    assert np.abs(curve[:, 0]).max() < 1.5 + 0.5 and np.abs(curve[:, 1]).max() < 3 + 0.5


def test_distances_match_independent_calculations() -> None:
    """W2^2(source, target) of 1,000 points: 15.1, 31.1, 1.26, 1.69 by a separate calculation."""
    expected = {
        ("gaussian", "8gaussians"): (15.1, 1.0),
        ("moons_wide", "8gaussians_wide"): (31.1, 3.0),
        ("gaussian", "moons"): (1.26, 0.12),
        ("gaussian", "scurve"): (1.69, 0.25),
    }
    for (source, target), (value, tolerance) in expected.items():
        data = Toy2d(source, target)  # type: ignore[arg-type]
        arrays = data.prepare(dataclasses.replace(SIZES, test=1000))
        x0 = arrays.get("test_0", stream(1, "n").standard_normal((1000, 2)).astype(np.float32))
        assert wasserstein2_squared(x0, arrays["test_1"]) == pytest.approx(value, abs=tolerance)


def test_splits_are_disjoint_and_the_same_every_time() -> None:
    data = Toy2d("moons_wide", "8gaussians_wide")
    one, two = data.prepare(SIZES), data.prepare(SIZES)
    assert set(one) == {f"{split}_{k}" for split in ("train", "val", "test", "test_large") for k in (0, 1)}
    for name, array in one.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, two[name])
    points = np.concatenate([one[f"{split}_1"] for split in ("train", "val", "test", "test_large")])
    assert len(np.unique(points, axis=0)) == len(points) == 7500


def test_a_gaussian_source_is_never_stored() -> None:
    assert not any(name.endswith("_0") for name in Toy2d("gaussian", "moons").prepare(SIZES))
