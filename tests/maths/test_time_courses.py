"""Time courses: what is trained and tested on, whitening against NumPy, and a flow that obeys its velocity."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cfm import config as configuration
from cfm.datasets._time_course import split
from cfm.datasets.branching import Branching, draw, flow, velocity
from cfm.datasets.snapshots import Snapshots
from cfm.rng import stream

COUNTS = (40, 55, 60, 45)
DAYS = (2, 3, 4, 7)


@pytest.fixture
def cells(tmp_path: Path) -> dict[str, Any]:
    """A matrix of four days in the file `cells.npz`, in no order, as the original files have it."""
    rng = stream(0, "cells")
    day = rng.permutation(np.repeat(DAYS, COUNTS))
    pcs = (rng.standard_normal((len(day), 8)) * np.arange(1, 9) + day[:, None]).astype(np.float32)
    np.savez(tmp_path / "cells.npz", pcs=pcs, sample_labels=day.astype(np.int8))
    return {"file": str(tmp_path / "cells.npz"), "pcs": pcs, "day": day}


def _snapshots(cells: dict[str, Any], left_out: int = 1, **settings: Any) -> Snapshots:
    known = {"matrix": "pcs", "labels": "sample_labels", "dims": 5, "snapshots": 4}
    return Snapshots(file=cells["file"], left_out=left_out, **{**known, **settings})


def test_what_is_observed_and_where_the_test_goes(cells: dict[str, Any]) -> None:
    """Days 2, 3, 4, 7 are times 0 to 3; all cells before the left-out time are carried to it."""
    data = _snapshots(cells, left_out=2, whiten="none").prepared(None)
    assert (data.times, data.span, data.dim, data.gaussian_source) == ((0.0, 1.0, 3.0), (1.0, 2.0), 5, False)
    arrays = data.arrays
    assert set(arrays) == {f"{s}_{k}" for s in ("train", "val") for k in range(3)} | {"test_0", "test_1"}
    of_day = [cells["pcs"][cells["day"] == day][:, :5] for day in DAYS]
    np.testing.assert_array_equal(arrays["test_0"], of_day[1])
    np.testing.assert_array_equal(arrays["test_1"], of_day[2])
    for k, snapshot in enumerate((of_day[0], of_day[1], of_day[3])):
        assert {*map(bytes, arrays[f"train_{k}"])} < {*map(bytes, snapshot)}
    around = data.around_span()
    assert around.times == (0.0, 1.0) and around.span == (0.0, 0.5)


def test_whitening_with_and_without_the_left_out_cells(cells: dict[str, Any]) -> None:
    pcs, day = cells["pcs"][:, :5].astype(np.float64), cells["day"]
    for whiten, fitted in (("all", pcs), ("observed", pcs[day != 3])):
        arrays = _snapshots(cells, whiten=whiten).prepare(None)
        expected = (pcs - fitted.mean(0)) / fitted.std(0)
        np.testing.assert_allclose(arrays["test_1"], expected[day == 3], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(arrays["test_0"], expected[day == 2], rtol=1e-5, atol=1e-6)
    assert not np.allclose(
        _snapshots(cells, whiten="all").prepare(None)["test_1"],
        _snapshots(cells, whiten="observed").prepare(None)["test_1"],
        atol=0.01,
    )


def test_whitening_is_scikit_learns(cells: dict[str, Any]) -> None:
    from sklearn.preprocessing import StandardScaler

    expected = StandardScaler().fit_transform(cells["pcs"][:, :5])
    np.testing.assert_allclose(
        _snapshots(cells).prepare(None)["test_1"], expected[cells["day"] == 3], rtol=1e-4, atol=1e-5
    )


def test_splits_are_disjoint_and_the_same_whatever_is_left_out(cells: dict[str, Any]) -> None:
    """8 : 1 : 1 of every snapshot, the last tenth in neither."""
    one, two = (_snapshots(cells, left_out=k, whiten="none").prepare(None) for k in (1, 2))
    for k, count in enumerate((40, 60, 45)):
        parts = [one[f"train_{k}"], one[f"val_{k}"]]
        assert [len(part) for part in parts] == [len(p) for p in split(np.zeros((count, 1), np.float32), 0)[:2]]
        assert len(np.unique(np.concatenate(parts), axis=0)) == sum(map(len, parts)) < count
    np.testing.assert_array_equal(one["train_0"], two["train_0"])  # time 0 in both
    np.testing.assert_array_equal(one["train_2"], two["train_2"])  # time 3 in both
    again = _snapshots(cells, left_out=1, whiten="none").prepare(None)
    assert all(np.array_equal(one[name], again[name]) for name in one)


@pytest.mark.parametrize(("n", "expected"), [(550, (440, 55, 55)), (577, (462, 58, 57)), (10, (8, 1, 1))])
def test_split_sizes(n: int, expected: tuple[int, ...]) -> None:
    parts = split(np.arange(n, dtype=np.float32)[:, None], 0)
    assert tuple(map(len, parts)) == expected
    assert sorted(np.concatenate(parts)[:, 0]) == [*range(n)]


def test_the_oracle_draws_cells_of_the_left_out_time(cells: dict[str, Any]) -> None:
    data = _snapshots(cells)
    drawn, there = data.draw_target(200, stream(1, "oracle")), data.prepare(None)["test_1"]
    assert drawn.shape == (200, 5)
    assert {*map(bytes, drawn)} <= {*map(bytes, there)} and len(np.unique(drawn, axis=0)) > 40


def test_the_branching_flow_obeys_its_velocity() -> None:
    """d/dt flow = velocity(flow) by central differences, and the flow starts where it should."""
    start = draw(500, 0.0, stream(0, "branching")).astype(np.float64)
    np.testing.assert_allclose(flow(start, 0.0), start)
    step = 1e-5
    for time in (0.0, 0.7, 2.0, 4.0):
        slope = (flow(start, time + step) - flow(start, time - step)) / (2 * step)
        np.testing.assert_allclose(slope, velocity(flow(start, time)), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(flow(flow(start, 1.5), 2.5), flow(start, 4.0))  # it is autonomous


def test_branching_cells_choose_one_of_two_fates() -> None:
    arrays = Branching(cells=2000, snapshots=5, left_out=2).prepare(None)
    first, last = arrays["train_0"][:, 1], arrays["train_3"][:, 1]
    assert np.abs(first).max() < 0.7 and np.mean(np.abs(first) < 0.3) > 0.9
    # |y| > 0.8 at time 4 if |y| > 0.0245 at time 0, and y is N(0, 0.15^2) there: 87.0 %.
    assert np.mean(np.abs(last) > 0.8) == pytest.approx(0.870, abs=0.03) and np.abs(last).max() < 1
    assert 0.45 < np.mean(last > 0) < 0.55
    radius = np.hypot(*arrays["test_1"][:, 2:4].T)
    turn = np.arctan2(arrays["test_1"][:, 3].mean(), arrays["test_1"][:, 2].mean())
    assert radius.mean() == pytest.approx(2, abs=0.1) and turn == pytest.approx(np.pi / 4, abs=0.02)


def test_branching_snapshots_are_of_different_cells() -> None:
    data = Branching(cells=100, snapshots=5, left_out=1)
    arrays = data.prepare(None)
    carried = flow(arrays["test_0"].astype(np.float64), 1.0)
    assert np.abs(carried - arrays["test_1"]).min() > 0 and len(arrays["test_0"]) == 100
    assert data.draw_target(7, stream(0, "x")).shape == (7, 5)
    assert all(np.array_equal(arrays[name], again) for name, again in data.prepare(None).items())


@pytest.mark.skipif(not os.environ.get("CFM_DATA"), reason="CFM_DATA is not set")
@pytest.mark.parametrize(
    ("name", "counts", "dim"),
    [
        ("embryoid_subset_without_2", (550, 550, 550, 550, 550), 5),
        ("embryoid_subset_100d_without_1", (550, 550, 550, 550, 550), 100),
        ("emt_without_1", (577, 885, 788, 883), 5),
    ],
)
def test_the_real_files(name: str, counts: tuple[int, ...], dim: int) -> None:
    data = configuration.load("quick").datasets[name].dataset
    if data.unavailable_reason():
        pytest.skip(str(data.unavailable_reason()))
    assert isinstance(data, Snapshots)
    arrays = data.prepare(None)
    k = data.left_out
    assert [len(arrays["test_0"]), len(arrays["test_1"])] == [counts[k - 1], counts[k]]
    assert arrays["test_1"].shape[1] == data.dim == dim
    mean, scale = data._whitening(data.cells())
    everything = (data.cells().points - mean) / scale
    assert len(everything) == sum(counts) and np.isfinite(everything).all()
    if data.whiten == "all":
        np.testing.assert_allclose(everything.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(everything.std(0), 1, atol=1e-5)
