"""Log densities whose code raises or gives something else: a failed data set or run with one line, no traceback."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cfm.artifacts.data import load
from cfm.datasets import _density
from cfm.stages.data import prepare
from tests.own_densities import OUTSIDE, SIZES, Own, measured, through_numpy


@pytest.fixture(autouse=True)
def short_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_density, "_WARMUP", 20)


def _strict(x: Tensor) -> Tensor:
    """A library that raises for every point as soon as one lies outside."""
    return torch.distributions.Exponential(1.0, validate_args=True).log_prob(x).sum(dim=1)


def _raises(error: Exception) -> Callable[[Tensor], Tensor]:
    def density(x: Tensor) -> Tensor:
        raise error

    return density


REASONS = {
    "strict": (
        _strict,
        r"Own\.log_density raises ValueError: Expected value .*; outside of a support it is to return min",
    ),
    "several lines": (
        _raises(ZeroDivisionError("one\ntwo\x1b[2J")),
        r"Own\.log_density raises ZeroDivisionError: one two",
    ),
    "no text": (_raises(KeyError()), r"Own\.log_density raises KeyError$"),
    "long": (_raises(RuntimeError("x" * 5000)), r"Own\.log_density raises RuntimeError: x{200}\.\.\.$"),
    "column": (lambda x: -x[:, :1], r"the log density of points \(256, 2\) has shape \(256, 1\), not \(256,\)"),
    "numpy column": (lambda x: -x[:, :1].numpy(), r"has shape \(256, 1\), not \(256,\)"),
    "number": (lambda x: 0.0, r"has shape \(\), not \(256,\)"),
    "nothing": (lambda x: None, r"Own\.log_density raises \w+Error"),
    "complex": (lambda x: x[:, 0] * 1j, r"the log density is complex"),
    "NaN at some": (lambda x: x[:, 0].log(), r"NaN or \+inf at \d+ of 256 points, as at \["),
    "+inf at some": (lambda x: torch.where(x[:, 0] > 0, torch.inf, 0.0), r"NaN or \+inf at \d+ of 256 points"),
    "nowhere": (lambda x: torch.full((len(x),), OUTSIDE), r"none of \d+ points"),
}


@pytest.mark.parametrize("points", ["importance", "mcmc"])
@pytest.mark.parametrize("kind", list(REASONS))
def test_what_is_no_log_density_is_a_failed_data_set_with_one_line(kind: str, points: str, tmp_path: Path) -> None:
    function, reason = REASONS[kind]
    prepare(Own(points, function), SIZES, tmp_path / "data.npz")  # type: ignore[arg-type]
    failure = load(tmp_path / "data.npz").failure
    assert failure is not None and re.search(reason, failure) and failure.isprintable()


def test_code_besides_the_log_density_may_raise_too(tmp_path: Path) -> None:
    @dataclasses.dataclass(frozen=True)
    class Wrong(Own):
        which: str = ""

        @property
        def log_normaliser(self) -> float | None:
            return 1 / 0 if self.which == "log_normaliser" else None

        def draw_target(self, n: int, rng: np.random.Generator) -> np.ndarray:
            return np.zeros((n, 2)) if self.which == "log_normaliser" else np.zeros((n, 5))

    for which, reason in {
        "log_normaliser": r"Wrong\.log_normaliser raises ZeroDivisionError: division by zero",
        "draw_target": r"Wrong\.draw_target: finite points \(350, 2\) are expected, got \(350, 5\)",
    }.items():
        prepare(Wrong("importance", which=which), SIZES, tmp_path / "data.npz")
        assert re.fullmatch(reason, str(load(tmp_path / "data.npz").failure))


def test_a_library_that_raises_at_a_models_samples_alone_fails_that_run(tmp_path: Path) -> None:
    prepare(Own("importance", through_numpy), SIZES, tmp_path / "data.npz")
    result = measured(Own("importance", _raises(ValueError("outside of the support"))), tmp_path)
    assert result["status"] == "failed" and "Own.log_density raises ValueError: outside" in str(result["reason"])
