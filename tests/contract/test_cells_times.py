"""The order of times: read where labels leave no doubt, told by `times` otherwise, never guessed, always shown."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from cfm.config.strict import Where, build
from cfm.datasets.reading.columns import column_of
from cfm.datasets.reading.time_labels import in_order, numbers_in
from cfm.datasets.snapshots import Snapshots
from cfm.errors import UserError
from tests.small_cells import PCS, TIME, h5ad, labelled, npz, snapshots

CELLS = Path("cells.npz")


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (["0h", "12h", "24h", "9h"], "0h 9h 12h 24h"),
        (["E6.5", "E10", "E7.25", "E7"], "E6.5 E7 E7.25 E10"),
        (["D0", "D10", "D2", "D1"], "D0 D1 D2 D10"),
        (["day 3", "day 12", "day 0", "day 7"], "day 0|day 3|day 7|day 12"),
        (["10 min", "5 min", ".5 min", "0 min"], "0 min|.5 min|5 min|10 min"),
        (["D-2", "D0", "D-1", "D3"], "D-2 D-1 D0 D3"),
        (["D\N{MINUS SIGN}2", "D\N{MINUS SIGN}1", "D0", "D1"], "D\N{MINUS SIGN}2 D\N{MINUS SIGN}1 D0 D1"),
        (["-2h", "-1h", "-10h", "-4h"], "-10h -4h -2h -1h"),
        (["t+2", "t+10", "t+1", "t+0"], "t+0 t+1 t+2 t+10"),
        (["week_10", "week_9", "week_1", "week_2"], "week_1 week_2 week_9 week_10"),
        (["10", "9", "1e1.", "2.5"], None),
        (["1e2", "10", "2.5", "-3"], "-3 2.5 10 1e2"),
        ([10, 9, -1, 0], "-1 0 9 10"),
        (np.array([6.7, 6.25, 10, 0], np.float32), "0 6.25 6.7 10"),
    ],
)
def test_labels_with_one_number_are_in_its_order(labels: Any, order: str | None) -> None:
    column = column_of(np.array(labels)[TIME])
    assert column is not None
    if order is None:
        with pytest.raises(UserError, match="in doubt"):
            in_order(CELLS, "t", column, None)
        return
    found = in_order(CELLS, "t", column, None)
    assert found.labels == tuple(order.split("|" if "|" in order else " "))
    assert found.observed is not None and list(found.observed) == sorted(found.observed)


def test_numbers_of_short_floats_are_what_they_are_written_as() -> None:
    column = column_of(np.array([6.7, 0.1], np.float32)[TIME % 2])
    assert column is not None and in_order(CELLS, "t", column, None).observed == (0.1, 6.7)


@pytest.mark.parametrize(
    "labels",
    [
        ["Day 00-03", "Day 06-09", "Day 12-15", "Day 18-21"],
        ["early", "mid", "late", "end"],
        ["3h", "3d", "6h", "12h"],  # units
        ["ctrl", "3h", "6h", "12h"],
        ["E6.5", "P1", "E7.5", "E8"],
        ["E6,5", "E7,0", "E7,5", "E8,0"],
        ["D-1", "D-2", "D-3", "D-4"],  # before, or a hyphen?
        ["day -1", "day -2", "day -3", "day -4"],
        ["rep1_d0", "rep1_d2", "rep1_d4", "rep1_d10"],
        ["2020-01-01", "2020-01-08", "2020-01-15", "2020-02-01"],
        ["no", "yes", "on", "null"],
        ["a: b", "#c", "[d", "e, f"],
        ["inf", "1", "2", "3"],
    ],
)
def test_labels_in_doubt_are_refused_with_a_line_that_is_read_as_it_stands(tmp_path: Path, labels: list[str]) -> None:
    path = npz(tmp_path, t=labelled(labels))
    with pytest.raises(UserError, match=r"'t': the order of these labels is in doubt.*: times: \[.*\]$") as error:
        snapshots(path).prepare(None)
    line = re.search(r"times: \[.*\]$", str(error.value))
    assert line and "\n" not in str(error.value)
    entry = {"file": str(path), "matrix": "X", "labels": "t", "dims": 4, **yaml.safe_load(line[0])}
    told = build(Snapshots, entry, Where("datasets.yaml"))
    assert set(told.prepared(None).time_labels) == set(labels)


def test_the_proposal_is_in_natural_order(tmp_path: Path) -> None:
    labels = labelled(["Day 10-12", "Day 2-4", "Day 0-1", "Day 5-9"])
    with pytest.raises(UserError, match=r"times: \[Day 0-1, Day 2-4, Day 5-9, Day 10-12\]$"):
        snapshots(npz(tmp_path, t=labels)).prepare(None)


def test_dates_and_thousands_of_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dates are not taken for times: 1970-01-01, .*: times: \[\"1970-01-01\", "):
        snapshots(npz(tmp_path, t=TIME.astype("M8[D]"))).prepare(None)
    with pytest.raises(UserError, match=r"120 different ones are hardly times: is it the right column\?$"):
        snapshots(npz(tmp_path, t=np.array([f"AC{i}GT{i}" for i in range(120)]))).prepare(None)


@pytest.mark.parametrize("labels", [["D1", "D01", "D2", "D3"], ["1", "1.0", "2", "3"], ["2h", "2.0h", "2.00h", "5h"]])
def test_two_labels_of_one_number_are_refused_or_made_one_by_a_mapping(tmp_path: Path, labels: list[str]) -> None:
    path = npz(tmp_path, t=labelled(labels))
    with pytest.raises(UserError, match=r"are the same number: write them alike .* one time: times: \{.*\}$") as error:
        snapshots(path).prepare(None)
    line = re.search(r"times: \{.*\}$", str(error.value))
    assert line
    told = snapshots(path, **yaml.safe_load(line[0])).prepared(None)
    assert {labels[0], labels[1]} <= {*told.time_labels[0].split(" + ")}
    assert len(told.arrays["train_0"]) == 24 * (4 - len(told.time_labels) + 1)


def test_ordered_categories_are_in_their_order_and_unused_ones_are_no_times(tmp_path: Path) -> None:
    names = ["never", "late", "early", "end", "mid"]
    phase = pd.Categorical.from_codes(TIME + 1, names, ordered=True)
    assert snapshots(h5ad(tmp_path, t=phase)).prepared(None).time_labels == tuple(names[1:])
    unordered = pd.Categorical.from_codes(TIME + 1, ["0", "30", "4", "15", "8"])
    assert snapshots(h5ad(tmp_path, t=unordered)).prepared(None).time_labels == ("4", "8", "15", "30")


def test_an_ordered_category_may_go_down_but_not_up_and_down(tmp_path: Path) -> None:
    """`pd.Categorical(..., ordered=True)` sorts text as text: D0, D10, D2."""
    down = pd.Categorical(labelled(["3w", "2w", "1w", "0w"]), ["3w", "2w", "1w", "0w"], ordered=True)
    prepared = snapshots(h5ad(tmp_path, t=down), spacing="observed").prepared(None)
    assert (prepared.time_labels, prepared.times) == (("3w", "2w", "1w", "0w"), (0, 1, 2, 3))
    text = pd.Categorical(labelled(["D0", "D2", "D10", "D11"]), ordered=True)
    with pytest.raises(
        UserError,
        match=r"order D0, D10, D11, D2, its numbers another: .* \[D0, D2, D10, D11\] or times: \[D0, D10, D11, D2\]",
    ):
        snapshots(h5ad(tmp_path, t=text)).prepare(None)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TIME.astype(bool),
        lambda: pd.array(TIME, dtype="Int64"),
        lambda: pd.array(TIME > 1, dtype="boolean"),
        lambda: (TIME * 1.5).astype(np.float16),
        lambda: pd.Categorical(TIME * 8),
        lambda: pd.Categorical(TIME * 8, categories=[24, 16, 8, 0]),
        lambda: TIME.astype(np.uint8),
        lambda: pd.array([f"{8 * t}" for t in TIME], dtype="string"),
    ],
)
def test_numbers_of_every_kind_are_times(tmp_path: Path, make: Callable[[], Any]) -> None:
    column = make()
    prepared = snapshots(h5ad(tmp_path, t=column), whiten="none").prepared(None)
    values = sorted({float(value) for value in column})
    assert len(prepared.time_labels) == len(values)
    first = PCS[[float(value) == values[0] for value in column]]
    assert {*map(bytes, prepared.arrays["train_0"])} < {*map(bytes, first)}


@pytest.mark.parametrize("times", [("mid", "early", "end"), {"mid": 1, "early": 2.5, "end": 4}])
def test_cells_of_labels_that_times_does_not_name_are_not_used(
    tmp_path: Path, times: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = npz(tmp_path, t=labelled(["early", "mid", "nan", "end"]))
    cells = snapshots(path, times=times).cells()
    assert cells.labels == ("mid", "early", "end") and len(cells.points) == 90
    assert cells.observed == (None if isinstance(times, tuple) else (1, 2.5, 4))
    np.testing.assert_array_equal(cells.points[cells.time == 0], PCS[TIME == 1])
    snapshots(path, times=times).prepare(None)
    said = capsys.readouterr().err
    assert f"note: times of 't' in {path}: mid, early, end\n" in said
    assert "30 of 120 cells are not used, since `times` does not name their label: no label\n" in said


def test_times_that_are_no_labels_are_said(tmp_path: Path) -> None:
    path = npz(tmp_path, t=labelled(["0", "8", "15", "30"]))
    assert snapshots(path, times=(0.0, 15.0, "30")).cells().labels == ("0", "15", "30")
    with pytest.raises(UserError, match=r"times: no cell has '9'; there are: 0, 15, 30, 8$"):
        snapshots(path, times=(0.0, 9.0)).cells()
    with pytest.raises(UserError, match=r"times: '8' is named twice$"):
        snapshots(path, times=("8", 8.0)).cells()
    with pytest.raises(UserError, match=r"'t' has one time \(8\): two or more are needed"):
        snapshots(path, times=(8.0,)).cells()


def test_missing_labels_are_refused_with_a_way_out(tmp_path: Path) -> None:
    for t in (np.where(TIME == 3, np.nan, TIME), labelled(["0", "1", "2", ""]), labelled(["D0", "D1", "D2", "<NA>"])):
        with pytest.raises(UserError, match=r"30 of 120 cells have no time \(NaN\): remove them, or .* times: \["):
            snapshots(npz(tmp_path, t=t)).cells()


def test_numbers_leave_no_doubt_or_there_are_none() -> None:
    assert numbers_in(["x1y", "x2y"]) == [1, 2] and numbers_in(["x1y", "x2z"]) is None
    assert numbers_in(["a-1", "a-2"]) is None and numbers_in(["a-1", "a2"]) == [-1, 2]
