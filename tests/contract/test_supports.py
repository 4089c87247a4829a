"""Log densities as people have them: with a support, without a gradient, and with code that raises."""

import dataclasses
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from cfm.artifacts.data import load
from cfm.datasets import _density
from cfm.datasets.base import Prepared
from cfm.datasets.sampling import mala
from cfm.datasets.sampling.importance import require_effective, resample
from cfm.errors import RunFailed
from cfm.rng import stream
from cfm.settings import Sizes
from cfm.stages.data import prepare
from cfm.training.batches import PairSampler, training_pairs
from tests.own_densities import METHODS, OUTSIDE, SIZES, Own, measured, through_numpy


def _positive(x: Tensor) -> Tensor:
    """Exponential in each coordinate: a support with a corner, log of what is negative outside."""
    return torch.where((x > 0).all(dim=1), -x.sum(dim=1), OUTSIDE)


def _gamma(x: Tensor) -> Tensor:
    """x exp(-x) in each coordinate, whose gradient is infinite at the border and NaN outside of it."""
    inside = (x > 0).all(dim=1)
    return torch.where(inside, (x.clamp_min(0).log() - x).sum(dim=1), OUTSIDE)


def _box(x: Tensor) -> Tensor:
    """Uniform: nothing that a gradient could be taken of."""
    return torch.where((x.abs() < 1).all(dim=1), 0.0, OUTSIDE)


def _simplex(x: Tensor) -> Tensor:
    return torch.where((x > 0).all(dim=1) & (x.sum(dim=1) < 1), 0.0 * x.sum(dim=1), OUTSIDE)


def _half_space(x: Tensor) -> Tensor:
    return torch.where(x[:, 0] + x[:, 1] > 1, -0.5 * x.square().sum(dim=1), OUTSIDE)


def _half_normal(x: Tensor) -> Tensor:
    return torch.where(x[:, 0] > 0, -0.5 * x.square().sum(dim=1), OUTSIDE)


def _detached(x: Tensor) -> Tensor:
    return -0.5 * (x.detach() - 0.5).square().sum(dim=1)


def _in_single_precision(x: Tensor) -> Tensor:
    return -0.5 * (x.float() - 0.5).square().sum(dim=1)


def _in_place(x: Tensor) -> Tensor:
    x -= 0.5
    return -0.5 * x.square().sum(dim=1)


def _list(x: Tensor) -> object:
    return [-0.5 * float(((row - 0.5) ** 2).sum()) for row in x.tolist() for row in [np.array(row)]]


@dataclasses.dataclass(frozen=True)
class Far(Own):
    """A disc around (20, 20), where no point of N(0, I) comes; with `started` the chains begin in it."""

    started: bool = True

    def log_density(self, x: Tensor) -> Tensor:
        return torch.where((x - 20).square().sum(dim=1) < 1, 0.0, OUTSIDE)

    def draw_start(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return super().draw_start(n, rng) / 4 + (20 if self.started else 0)


@pytest.fixture(autouse=True)
def short_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_density, "_WARMUP", 150)
    torch.set_num_threads(1)


_ACROSS = stats.truncnorm(np.sqrt(0.5), np.inf)  # the half space's normal direction
# What is expected of a coordinate: mean and variance.
EXPECTED = {
    _positive: (1, 1),
    _gamma: (2, 2),
    _box: (0, 1 / 3),
    _simplex: (1 / 3, 1 / 18),
    _half_space: (_ACROSS.mean() / np.sqrt(2), (_ACROSS.var() + 1) / 2),
    through_numpy: (0.5, 1),
    _detached: (0.5, 1),
    _in_single_precision: (0.5, 1),
    _in_place: (0.5, 1),
    _list: (0.5, 1),
}


@pytest.mark.parametrize("function", list(EXPECTED), ids=lambda f: f.__name__)
def test_chains_stay_in_the_support_and_have_its_moments_with_a_gradient_and_without(
    function: Callable[[Tensor], object],
) -> None:
    density = Own("mcmc", function)
    arrays = density.prepare(Sizes(train=3000, val=10, test=10, test_large=10))
    x = arrays["train_1"].astype(np.float64)
    assert (density.at(arrays["train_1"]) > -np.inf).all() and np.isfinite(x).all()
    mean, variance = EXPECTED[function]
    assert x.mean() == pytest.approx(mean, abs=0.12 * max(1, variance))
    assert x.var() == pytest.approx(variance, rel=0.2)
    assert 0.1 < arrays["mcmc_acceptance"] < 0.9 and arrays["mcmc_r_hat"] < 1.2


@pytest.mark.parametrize("function", [_positive, _box, _half_space, through_numpy, _simplex], ids=lambda f: f.__name__)
def test_weighted_points_outside_have_no_weight_and_no_batch_has_them(
    function: Callable[[Tensor], object], tmp_path: Path
) -> None:
    density = Own("importance", function)
    prepare(density, SIZES, tmp_path / "data.npz")
    data = load(tmp_path / "data.npz")
    assert data.failure is None
    sampler = PairSampler.of(METHODS["icfm"].method, data, 64)
    x1 = np.concatenate([training_pairs(sampler, 0, step).x1 for step in range(30)])
    assert (density.at(x1.astype(np.float32)) > -np.inf).all()


def test_a_batch_without_a_point_of_the_support_draws_from_all() -> None:
    weights = np.full(1000, -np.inf, np.float32)
    weights[-20:] = np.log([1, 3] * 10)
    data = Prepared({"train_1": np.zeros((1000, 2), np.float32), "train_log_weight": weights}, 2, True)
    rows = np.concatenate([data.resampled("train", np.arange(50), 0, step) for step in range(200)])
    assert len(rows) == 200 * 50 and rows.min() >= 980
    assert (rows % 2).mean() == pytest.approx(0.75, abs=0.02)
    with_one = data.resampled("train", np.arange(951, 991), 0, 0)
    assert len(with_one) == 40 and (with_one >= 980).all() and (with_one <= 990).all()


def test_a_point_of_no_weight_is_never_drawn_not_even_the_last_one() -> None:
    """A sum of many weights in floating point may end below 1, and a place beyond it."""
    weights = np.concatenate([np.full(9999, np.log(0.1)), [-np.inf]])

    class AtTheEnd:
        def random(self) -> float:
            return np.nextafter(1, 0)

        def permutation(self, rows: np.ndarray) -> np.ndarray:
            return rows

    assert resample(weights, AtTheEnd()).max() == 9998  # type: ignore[arg-type]


def test_weights_of_batches_without_a_point_inside_are_a_collapse_and_of_none_at_all_are_said() -> None:
    weights = np.full(2560, -np.inf)
    weights[7] = 0
    with pytest.raises(RunFailed, match=r"collapsed: effective sample size 0\.00% of 256"):
        require_effective(weights, 256)
    with pytest.raises(RunFailed, match="none of 2560 points lies in the support"):
        require_effective(np.full(2560, -np.inf), 256)


def test_chains_may_be_told_where_to_start() -> None:
    arrays = Far("mcmc").prepare(SIZES)
    assert np.linalg.norm(arrays["test_1"] - 20, axis=1).max() <= 1.0001
    with pytest.raises(
        RunFailed, match=r"none of \d+ points .* lies in the support: .* unless Far has a method draw_s"
    ):
        Far("mcmc", started=False).prepare(SIZES)


def test_a_support_that_is_rarely_hit_gives_chains_few_places_to_start_from() -> None:
    density = Own("mcmc", lambda x: torch.where((x > 2.6).all(dim=1), -x.sum(dim=1), OUTSIDE))
    assert density.prepare(SIZES)["test_1"].min() > 2.5999


def test_chains_that_cannot_move_are_no_reference() -> None:
    on_a_line = Own("mcmc", lambda x: torch.where(x[:, 0] == x[:, 1], -x.square().sum(dim=1), OUTSIDE))
    object.__setattr__(on_a_line, "draw_start", lambda n, rng: np.repeat(rng.standard_normal((n, 1)), 2, axis=1))
    with pytest.raises(RunFailed, match=r"the Markov chains do not move: 0\.0% of their proposals"):
        on_a_line.prepare(SIZES)


@pytest.mark.parametrize("points", ["importance", "mcmc"])
@pytest.mark.parametrize("function", [_half_normal, _box, through_numpy], ids=lambda f: f.__name__)
def test_samples_outside_of_the_support_have_no_weight_in_what_ismeasured(
    function: Callable[[Tensor], object], points: str, tmp_path: Path
) -> None:
    density = Own(points, function)  # type: ignore[arg-type]
    prepare(density, SIZES, tmp_path / "data.npz")
    result = measured(density, tmp_path)
    assert result["status"] == "ok", result
    assert {"log_z", "effective_share", "w2", "mean_error", "std_error"} <= result["metrics"].keys()  # type: ignore[attr-defined]
    with np.load(tmp_path / "run/samples/euler.npz") as stored:
        weights = np.exp(stored["log_target"].astype(float) - stored["log_density"])
    assert (weights == 0).any() == (function is not through_numpy)
    assert result["metrics"]["log_z"] == pytest.approx(np.log(weights.mean()), abs=1e-4)  # type: ignore[index]


def test_a_walk_without_a_gradient_has_the_same_draws_whatever_hides_the_gradient() -> None:
    start = stream(0, "start").standard_normal((20, 2)).astype(np.float32)

    def chains(density: Callable[[Tensor], Tensor]) -> mala.Chains:
        return mala.mala(density, start, 50, 20, 2, np.random.default_rng(0))

    walk = chains(_detached)
    np.testing.assert_array_equal(walk.draws, chains(_in_place).draws)
    assert not np.array_equal(walk.draws, chains(lambda x: -0.5 * (x - 0.5).square().sum(dim=1)).draws)


def test_the_manuals_examples_of_supports_and_of_numpy_are_densities() -> None:
    page = (Path(__file__).parents[2] / "docs/densities.md").read_text()
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", page, flags=re.M)]
    bodies = [block for block in blocks if "\nreturn " in block]
    assert len(bodies) == 2
    for body in bodies:
        found: dict[str, Callable[[Tensor], object]] = {}
        code = "def log_density(x):\n" + textwrap.indent(body, "    ")
        exec(code, {"torch": torch}, found)
        assert np.isfinite(Own("importance", found["log_density"]).prepare(SIZES)["test_1"]).all()
