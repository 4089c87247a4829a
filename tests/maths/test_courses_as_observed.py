"""Time courses as they were observed: true spacing, two snapshots, and none left out."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cfm.artifacts.data import load
from cfm.datasets._time_course import Course, split
from cfm.datasets.snapshots import Snapshots
from cfm.errors import UserError
from cfm.methods.base import Method, Start
from cfm.methods.cnf import CNF
from cfm.methods.flow_matching import FlowMatching
from cfm.methods.identity import Identity
from cfm.methods.ot_interpolation import OTInterpolation
from cfm.methods.split_half import SplitHalf
from cfm.rng import stream
from cfm.settings import Solver, Training
from cfm.stages.data import prepare
from cfm.training.batches import PairSampler, training_pairs
from cfm.training.trainer import Trainer, stack

CPU, EULER = torch.device("cpu"), Solver("euler", steps=50)
SETTINGS = Training(
    width=32, depth=2, batch_size=64, steps=500, learning_rate=5e-3, weight_decay=0.0, validate_every=100
)
DAYS, EACH = (0, 8, 15, 30), 100
SPEED = 0.1  # per day, of both coordinates


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Round clouds that move at a constant speed: 0.8, 0.7 and 1.5 in a coordinate from day to day."""
    path = tmp_path_factory.mktemp("moving") / "moving.npz"
    day = np.repeat(DAYS, EACH)
    noise = 0.1 * stream(0, "moving").standard_normal((len(day), 2))
    np.savez(path, X=noise + SPEED * day[:, None], t=np.char.add("D", day.astype(str)))
    return path


def _moving(path: Path, **settings: Any) -> Snapshots:
    return Snapshots(str(path), "X", "t", 2, **{"whiten": "none", "spacing": "observed", **settings})


def _carried(method: Method, dataset: Snapshots, folder: Path, settings: Training = SETTINGS) -> np.ndarray:
    prepare(dataset, None, folder / "data.npz")
    data, net = method.view(load(folder / "data.npz")), None
    if method.trained:
        trainer = Trainer(method, data, settings, [0], CPU, folder / "state")
        trainer.run(lambda *_: None)
        net = trainer.net
    start = Start(data.evaluation_source(0, "test"), dataset, stream(0, "sample"), data)
    return method.sample(net, start, EULER).x[-1]


def test_observed_times_are_as_far_apart_as_their_numbers(moving: Path) -> None:
    """The whole course is as long as with equal steps."""
    data = _moving(moving, left_out=1).prepared(None)
    assert data.label_times == pytest.approx((0, 0.8, 1.5, 3)) and data.times == pytest.approx((0, 1.5, 3))
    assert data.span == pytest.approx((0, 0.8)) and data.time_labels == ("D0", "D8", "D15", "D30")
    assert data.around_span().span == pytest.approx((0, 8 / 15))
    assert _moving(moving, left_out=2).prepared(None).around_span().span == pytest.approx((0, 7 / 22))
    assert _moving(moving, spacing="equal").prepared(None).times == (0, 1, 2, 3)
    assert _moving(moving, spacing=None).prepared(None).times == (0, 1, 2, 3)


@pytest.mark.parametrize(("spacing", "day"), [("observed", 8.0), ("equal", 7.5)])
@pytest.mark.parametrize("method", [OTInterpolation(), FlowMatching("exact", "linear", 0.05)], ids=["lines", "otcfm"])
def test_cells_are_carried_to_the_time_that_was_observed(
    moving: Path, tmp_path: Path, method: Method, spacing: str, day: float
) -> None:
    """Day 8 is 8 / 15 of the way from day 0 to day 15, not half of it."""
    moved = _carried(method, _moving(moving, left_out=1, spacing=spacing), tmp_path)
    np.testing.assert_allclose(moved.mean(0), SPEED * day, atol=0.03)


def test_the_velocity_is_that_of_the_observed_times(moving: Path) -> None:
    """The length of an interval is what velocities are divided by: the true speed is the same in all."""
    data = _moving(moving).prepared(None)
    method = FlowMatching("exact", "linear", 0.0)
    pairs = training_pairs(PairSampler.of(method, data, 50), 0, 0)
    assert pairs.length is not None and pairs.start is not None
    assert np.unique(pairs.length).tolist() == pytest.approx([0.7, 0.8, 1.5])
    speed = ((pairs.x1 - pairs.x0) / pairs.length).reshape(3, 50, 2).mean((1, 2))
    np.testing.assert_allclose(speed, 10 * SPEED, rtol=0.06)
    assert stack([pairs], CPU).time.min() > 0 and stack([pairs], CPU).time.max() < 3


def test_spacing_needs_numbers(tmp_path: Path) -> None:
    day = np.array(["early", "late"])[np.arange(60) % 2]
    np.savez(tmp_path / "words.npz", X=np.random.default_rng(0).random((60, 2)), t=day)
    words = _moving(tmp_path / "words.npz", times=("early", "late"))
    with pytest.raises(UserError, match=r"spacing: observed: .* times: \{early: ..., late: ...\}$"):
        words.prepare(None)
    told = dataclasses.replace(words, times={"late": 9.0, "early": 2.0}).prepared(None)
    assert (told.time_labels, told.times) == (("early", "late"), (0, 1))


def test_without_a_left_out_time_the_test_is_what_training_never_saw(moving: Path) -> None:
    dataset = _moving(moving, spacing=None)
    data, cells = dataset.prepared(None), dataset.cells()
    assert (data.times, data.span) == ((0, 1, 2, 3), (2, 3))
    for end, k in enumerate((2, 3)):
        parts = [data.arrays[name] for name in (f"train_{k}", f"val_{k}", f"test_{end}")]
        assert [len(part) for part in parts] == [80, 10, 10]
        assert len(np.unique(np.concatenate(parts), axis=0)) == EACH
        for part, expected in zip(parts, split(cells.points[cells.time == k].astype(np.float32), k), strict=True):
            np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize(
    "method",
    [
        Identity(),
        SplitHalf(),
        OTInterpolation(),
        FlowMatching("exact", "linear", 0.1),
        CNF(1e-3, "tanh", kinetic=0.01),
    ],
    ids=["identity", "halves", "lines", "otcfm", "cnf"],
)
def test_methods_run_on_two_snapshots(moving: Path, tmp_path: Path, method: Method) -> None:
    two = _moving(moving, times=("D0", "D8"))
    few = dataclasses.replace(SETTINGS, steps=20, batch_size=16, validate_every=10)
    moved = _carried(method, two, tmp_path, few if isinstance(method, CNF) else SETTINGS)
    assert moved.shape[1] == 2 and np.isfinite(moved).all()
    if isinstance(method, OTInterpolation | FlowMatching):
        np.testing.assert_allclose(moved.mean(0), 0.8, atol=0.1)


def test_a_normalising_flow_sees_both_of_two_snapshots(moving: Path) -> None:
    """The prior is before the first one, whose cells are no samples of N(0, I)."""
    data = _moving(moving, times=("D0", "D8")).prepared(None)
    pairs = training_pairs(PairSampler.of(CNF(1e-3, "tanh"), data, 16), 0, 0)
    seen, prior = stack([pairs], CPU).snapshots()
    assert prior == -1 and [t for t, _ in seen] == [0, 1]
    np.testing.assert_array_equal(seen[0][1][0].numpy(), pairs.x0)


@pytest.mark.parametrize(
    ("labels", "left_out", "message"),
    [
        (("D0", "D8", "D15"), 2, r"2 is not between the first time, 0 \(D0\), and the last, 2 \(D15\): .* be 1 \(D8\)"),
        (("0", "1", "2", "3"), 7, r"the first time, 0, and the last, 3: .* it may be 1, 2$"),
        (("control", "treated"), 1, r"left_out: 1: no time of two lies between others: give no 'left_out'$"),
    ],
)
def test_a_left_out_time_that_is_no_inner_one(labels: tuple[str, ...], left_out: int, message: str) -> None:
    problem = Course(labels, tuple(map(float, range(len(labels)))), left_out).problem()
    assert problem is not None and re.search(message, problem)


def test_a_course_needs_enough_cells(moving: Path) -> None:
    few = Course(("a", "b"), (0.0, 1.0))
    with pytest.raises(UserError, match=r"time 1 \(b\) has 19 cells: 20 or more are needed to train, validate and"):
        few.arrays([np.zeros((20, 1), np.float32), np.zeros((19, 1), np.float32)])
    assert len(few.arrays([np.zeros((20, 1), np.float32)] * 2)["test_1"]) == 2


def test_what_is_kept_with_the_data_undoes_the_whitening(moving: Path, tmp_path: Path) -> None:
    """To 1e-12 in float64, and through the stored float32 to 1e-5."""
    dataset = _moving(moving, whiten="all", left_out=1)
    prepare(dataset, None, tmp_path / "data.npz")
    data, cells = load(tmp_path / "data.npz"), dataset.cells()
    assert data.whiten_mean is not None and data.whiten_scale is not None
    assert data.whiten_mean.dtype == data.whiten_scale.dtype == np.float64
    there = cells.points[cells.time == 1]
    np.testing.assert_allclose(data.arrays["test_1"] * data.whiten_scale + data.whiten_mean, there, atol=1e-5)
    assert (data.time_labels, data.label_times) == (cells.labels, pytest.approx((0, 0.8, 1.5, 3)))
