"""Evaluation knows only the samples file: any program that writes one is measured like our own methods."""

import json
from pathlib import Path

import numpy as np
import pytest

from cfm.artifacts.data import load, save
from cfm.datasets.base import Prepared
from cfm.errors import UserError
from cfm.files import write_arrays
from cfm.settings import Solver
from cfm.stages.evaluate import evaluate
from cfm.stages.source_target import source_target

SOLVERS = {"rk4": Solver("rk4", steps=3)}
METRICS = ("w2", "w2_squared", "npe", "path_energy", "nfe", "train_seconds")


def _points(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 2)).astype(np.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.npz"
    arrays = {"test_1": _points(1, 40) + 2, "test_large_1": _points(2, 60) + 2}
    save(Prepared(arrays, 2, gaussian_source=True), path)
    return path


def _measure(tmp_path: Path, data: Path, **arrays: np.ndarray) -> dict:  # type: ignore[type-arg]
    """The result of a samples file, whose sources are those of the data's own distances."""
    folder, apart = tmp_path / "run", tmp_path / "apart.json"
    write_arrays(folder / "samples/rk4.npz", {"nfe": np.int64(7), "seconds": np.float64(0.1), **arrays})
    if not apart.exists():
        source_target(data, "all", {42: apart}, lambda *_: None)
    evaluate(SOLVERS, METRICS, data, {42: folder}, {42: apart}, "{}", {}, lambda *_: None)
    found: dict = json.loads((folder / "metrics.json").read_text())["rk4"]  # type: ignore[type-arg]
    return found


def test_the_barest_samples_file_is_measured(tmp_path: Path, data: Path) -> None:
    """x0, x1, nfe, seconds: distances yes, path energy no, and nothing invented."""
    x0 = _points(3, 100)
    result = _measure(tmp_path, data, x0=x0, x1=x0 + 2)
    assert result["status"] == "ok" and result["nfe"] == 7
    assert set(result["metrics"]) == {"w2", "w2_squared", "w2_large", "w2_squared_large", "nfe"}
    assert result["metrics"]["w2"] < 1


def test_a_trajectory_gives_the_path_energy(tmp_path: Path, data: Path) -> None:
    x0 = _points(3, 100)
    line = np.stack([x0, x0 + 1, x0 + 2])
    result = _measure(tmp_path, data, x0=x0, trajectory=line, t=np.array([0, 0.5, 1.0]))
    assert result["metrics"]["path_energy"] == pytest.approx(8)
    apart = json.loads((tmp_path / "apart.json").read_text())["test"]
    assert result["metrics"]["npe"] == pytest.approx(abs(8 - apart) / apart)


def test_the_distance_of_source_and_target_is_that_of_points_that_stay(tmp_path: Path, data: Path) -> None:
    """To the last bit, on both test sets, whatever the control that measured it before would have said."""
    prepared = load(data)
    x0 = prepared.evaluation_source(42, "all")
    still = _measure(tmp_path, data, x0=x0, t=np.array([0.0, 1.0]), trajectory=np.stack([x0, x0]))["metrics"]
    apart = json.loads((tmp_path / "apart.json").read_text())
    assert apart == {"test": still["w2_squared"], "test_large": still["w2_squared_large"]}
    assert still["npe"] == still["npe_large"] == 1
    source_target(data, "test", {42: tmp_path / "apart.json"}, lambda *_: None)
    assert json.loads((tmp_path / "apart.json").read_text()) == {"test": apart["test"]}


def test_fewer_points_measure_the_test_set_only(tmp_path: Path, data: Path) -> None:
    x0 = _points(3, 40)
    result = _measure(tmp_path, data, x0=x0, x1=x0 + 2)
    assert "w2" in result["metrics"] and "w2_large" not in result["metrics"]


def test_samples_that_are_not_finite_are_a_failed_run(tmp_path: Path, data: Path) -> None:
    x0 = _points(3, 100)
    result = _measure(tmp_path, data, x0=x0, x1=x0 * np.nan)
    assert result == {"status": "failed", "reason": "the samples are not finite", "nfe": None, "metrics": {}}


def test_a_wrong_shape_is_an_error_that_names_the_file(tmp_path: Path, data: Path) -> None:
    x0 = _points(3, 100)
    with pytest.raises(UserError, match=r"rk4.npz: x0 \(100, 2\), x1 \(90, 2\)"):
        _measure(tmp_path, data, x0=x0, x1=x0[:90])


def test_a_file_with_pickled_objects_is_refused(tmp_path: Path, data: Path) -> None:
    path = tmp_path / "run/samples/rk4.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, x0=np.array([{"a": 1}], dtype=object), x1=np.zeros(1))
    with pytest.raises(UserError, match="damaged"):
        evaluate(SOLVERS, METRICS, data, {42: tmp_path / "run"}, {}, "{}", {}, lambda *_: None)


def test_a_missing_distance_from_source_to_target_is_an_error(tmp_path: Path, data: Path) -> None:
    """NPE divides by it: without it there is no number, and never another denominator."""
    x0 = _points(3, 100)
    source_target(data, "test", {42: tmp_path / "apart.json"}, lambda *_: None)
    with pytest.raises(UserError, match="its test_large set is not in source_target"):
        _measure(tmp_path, data, x0=x0, x1=x0 + 2)
    assert "w2" in _measure(tmp_path, data, x0=x0[:40], x1=x0[:40] + 2)["metrics"]


def test_without_a_distance_that_was_asked_for_there_is_no_number(tmp_path: Path, data: Path) -> None:
    """Neither without a word nor with another denominator."""
    (tmp_path / "apart.json").write_text("{}")
    x0 = _points(3, 40)
    with pytest.raises(UserError, match="its test set is not in source_target"):
        _measure(tmp_path, data, x0=x0, x1=x0 + 2)


def test_where_source_and_target_are_one_the_run_fails_with_the_reason(tmp_path: Path) -> None:
    path, x = tmp_path / "data.npz", _points(3, 40)
    save(Prepared({"test_0": x, "test_1": x}, 2, gaussian_source=False), path)
    result = _measure(tmp_path, path, x0=x, x1=x)
    assert result["status"] == "failed" and result["reason"].startswith("source and target are the same points")


@pytest.mark.parametrize("content", ["", "[]", '{"test": "1"}', '{"test": 0}', '{"test": NaN}'])
def test_damaged_distances_are_an_error_that_names_the_file(tmp_path: Path, data: Path, content: str) -> None:
    (tmp_path / "apart.json").write_text(content)
    x0 = _points(3, 100)
    with pytest.raises(UserError, match=r"apart\.json: damaged"):
        _measure(tmp_path, data, x0=x0, x1=x0 + 2)
