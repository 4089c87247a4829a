"""Evaluation knows only the samples file: any program that writes one is measured like our own methods."""

import json
from pathlib import Path

import numpy as np
import pytest

from cfm.artifacts.data import save
from cfm.datasets.base import Prepared
from cfm.errors import UserError
from cfm.files import write_arrays
from cfm.settings import Solver
from cfm.stages.evaluate import evaluate

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


def _measure(tmp_path: Path, data: Path, identities: dict[int, Path] | None = None, **arrays: np.ndarray) -> dict:  # type: ignore[type-arg]
    folder = tmp_path / ("identity" if identities is None else "external")
    write_arrays(folder / "samples/rk4.npz", {"nfe": np.int64(7), "seconds": np.float64(0.1), **arrays})
    evaluate(SOLVERS, METRICS, data, {42: folder}, identities or {}, "{}", {}, lambda *_: None)
    found: dict = json.loads((folder / "metrics.json").read_text())["rk4"]  # type: ignore[type-arg]
    return found


def _identity(tmp_path: Path, data: Path, x0: np.ndarray) -> dict[int, Path]:
    _measure(tmp_path, data, x0=x0, t=np.array([0.0, 1.0]), trajectory=np.stack([x0, x0]))
    return {42: tmp_path / "identity"}


def test_the_barest_samples_file_is_measured(tmp_path: Path, data: Path) -> None:
    """x0, x1, nfe, seconds: distances yes, path energy no, and nothing invented."""
    x0 = _points(3, 100)
    identities = _identity(tmp_path, data, x0)
    result = _measure(tmp_path, data, identities, x0=x0, x1=x0 + 2)
    assert result["status"] == "ok" and result["nfe"] == 7
    assert set(result["metrics"]) == {"w2", "w2_squared", "w2_large", "w2_squared_large", "nfe"}
    assert result["metrics"]["w2"] < 1


def test_a_trajectory_gives_the_path_energy(tmp_path: Path, data: Path) -> None:
    x0 = _points(3, 100)
    identities = _identity(tmp_path, data, x0)
    line = np.stack([x0, x0 + 1, x0 + 2])
    result = _measure(tmp_path, data, identities, x0=x0, trajectory=line, t=np.array([0, 0.5, 1.0]))
    assert result["metrics"]["path_energy"] == pytest.approx(8)
    reference = json.loads((tmp_path / "identity/metrics.json").read_text())["rk4"]["metrics"]
    assert result["metrics"]["npe"] == pytest.approx(abs(8 - reference["w2_squared"]) / reference["w2_squared"])
    assert reference["npe"] == 1


def test_fewer_points_measure_the_test_set_only(tmp_path: Path, data: Path) -> None:
    x0 = _points(3, 40)
    result = _measure(tmp_path, data, _identity(tmp_path, data, _points(3, 100)), x0=x0, x1=x0 + 2)
    assert "w2" in result["metrics"] and "w2_large" not in result["metrics"]


def test_samples_that_are_not_finite_are_a_failed_run(tmp_path: Path, data: Path) -> None:
    x0 = _points(3, 100)
    result = _measure(tmp_path, data, _identity(tmp_path, data, x0), x0=x0, x1=x0 * np.nan)
    assert result == {"status": "failed", "reason": "the samples are not finite", "nfe": None, "metrics": {}}


def test_a_wrong_shape_is_an_error_that_names_the_file(tmp_path: Path, data: Path) -> None:
    x0 = _points(3, 100)
    with pytest.raises(UserError, match=r"rk4.npz: x0 \(100, 2\), x1 \(90, 2\)"):
        _measure(tmp_path, data, _identity(tmp_path, data, x0), x0=x0, x1=x0[:90])


def test_a_file_with_pickled_objects_is_refused(tmp_path: Path, data: Path) -> None:
    path = tmp_path / "external/samples/rk4.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, x0=np.array([{"a": 1}], dtype=object), x1=np.zeros(1))
    with pytest.raises(UserError, match="damaged"):
        evaluate(SOLVERS, METRICS, data, {42: tmp_path / "external"}, {}, "{}", {}, lambda *_: None)


def test_a_missing_distance_from_source_to_target_is_an_error(tmp_path: Path, data: Path) -> None:
    """NPE divides by it: without the identity's W2^2 there is no number, and never another denominator."""
    x0 = _points(3, 100)
    identities = _identity(tmp_path, data, x0)
    path = identities[42] / "metrics.json"
    stored = json.loads(path.read_text())
    del stored["rk4"]["metrics"]["w2_squared_large"]
    path.write_text(json.dumps(stored))
    with pytest.raises(UserError, match="no 'w2_squared' on its test_large set"):
        _measure(tmp_path, data, identities, x0=x0, x1=x0 + 2)
    short = _measure(tmp_path, data, identities, x0=x0[:40], x1=x0[:40] + 2)
    assert "npe" not in short["metrics"] and "w2" in short["metrics"]


def test_without_the_identity_the_error_says_what_to_do(tmp_path: Path, data: Path) -> None:
    x0 = _points(3, 100)
    with pytest.raises(UserError, match=r"metrics.json is missing: evaluate the method 'identity' first"):
        _measure(tmp_path, data, {42: tmp_path / "identity"}, x0=x0, x1=x0)
