"""Targets that are log densities: what each promises, and what happens to one that is none."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from cfm import config as configuration
from cfm.artifacts.data import load
from cfm.datasets import Density
from cfm.datasets.base import Prepared
from cfm.datasets.funnel import Funnel
from cfm.datasets.gaussian_mixture import GaussianMixture
from cfm.datasets.logistic_regression import LogisticRegression
from cfm.datasets.sampling.importance import normalised
from cfm.datasets.scikit import Scikit
from cfm.errors import RunFailed
from cfm.metrics import METRICS
from cfm.metrics.base import Evaluation
from cfm.rng import stream
from cfm.settings import Sizes, Solver, Training
from cfm.solvers.trajectory import Trajectory, log_standard_normal
from cfm.stages.data import prepare
from cfm.stages.evaluate import evaluate
from cfm.stages.sample import sample
from cfm.stages.train import train
from cfm.training.batches import PairSampler, training_pairs, validation_pairs
from cfm.training.learning_curve import Distances, validation_distances

CONFIG = configuration.load("paper")
DENSITIES = {n: d.dataset for n, d in CONFIG.datasets.items() if isinstance(d.dataset, Density)}
SIZES = Sizes(train=600, val=100, test=100, test_large=100)
SOLVERS = {
    "euler": Solver("euler", steps=5, divergence="exact"),
    "dopri5": Solver("dopri5", tolerance=1e-2, divergence="exact"),
}
TRAINING = Training(8, 2, batch_size=64, steps=10, learning_rate=1e-3, weight_decay=0, validate_every=5)


@dataclasses.dataclass(frozen=True)
class _Normal(Density):
    """N(1/2, I) in three dimensions, or something that is no density."""

    fault: str = ""

    dim = 3  # type: ignore[assignment]

    def log_density(self, x: torch.Tensor) -> torch.Tensor:
        value = -0.5 * (x - 0.5).square().sum(dim=1)
        faulty = {
            "nan": torch.where(x[:, 0] > 0, torch.nan, value),
            "inf": torch.where(x[:, 0] > 0, torch.inf, value),
            "shape": value[:, None],
            "collapse": -0.5 * (x - 0.5).square().sum(dim=1) / 1e-4,
            "later": torch.where(x.abs().sum(dim=1) > 8, torch.nan, value),
        }
        return faulty.get(self.fault, value)


@pytest.mark.parametrize("name", [n for n in DENSITIES if not n.startswith("logistic")])
def test_exact_draws_have_the_density_that_is_said(name: str) -> None:
    """It integrates to one, by importance sampling from as many of its own draws as of N(0, 4 I)."""
    density = DENSITIES[name]
    assert density.log_normaliser == 0
    rng = stream(1, "test")
    n = 40_000
    wide = (2 * rng.standard_normal((n, density.dim))).astype(np.float32)
    x = np.concatenate([density.draw_target(n, rng), wide])
    log_p = density.at(x).astype(np.float64)
    log_wide = multivariate_normal(np.zeros(density.dim), 4.0).logpdf(x)
    mixture = np.logaddexp(log_p, log_wide) - np.log(2)
    assert np.exp(log_p - mixture).mean() == pytest.approx(1, abs=0.01)


def test_the_funnel_is_the_product_of_its_conditionals() -> None:
    x = stream(0, "x").standard_normal((50, 4))
    expected = norm(0, 3).logpdf(x[:, 0]) + norm(0, np.exp(x[:, :1] / 2)).logpdf(x[:, 1:]).sum(axis=1)
    np.testing.assert_allclose(Funnel("mcmc", 4, 9.0).at(x.astype(np.float32)), expected, rtol=1e-4)


def test_the_mixture_is_a_sum_of_gaussians() -> None:
    x = stream(0, "x").standard_normal((50, 2))
    centres = [(2, 0), (0, 2), (-2, 0), (0, -2)]
    expected = sum(w * multivariate_normal(c, 0.25).pdf(x) for w, c in zip((0.1, 0.2, 0.3, 0.4), centres, strict=True))
    np.testing.assert_allclose(
        np.exp(GaussianMixture("mcmc", 4, 2.0, 0.5).at(x.astype(np.float32))), expected, rtol=1e-4
    )


def test_the_posteriors_coordinates_are_laplaces() -> None:
    """At the origin the gradient is zero and the Hessian minus the identity."""
    posterior = LogisticRegression("mcmc", 10.0)
    origin = torch.zeros(1, posterior.dim, dtype=torch.float64)
    gradient = torch.autograd.functional.jacobian(lambda x: posterior.log_density(x).sum(), origin)
    hessian = torch.autograd.functional.hessian(lambda x: posterior.log_density(x).sum(), origin)
    assert gradient.abs().max() < 1e-8
    torch.testing.assert_close(hessian[0, :, 0], -torch.eye(posterior.dim, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_posteriors_chains_agree_with_importance_sampling() -> None:
    """Two independent ways to its mean and standard deviation."""
    posterior = LogisticRegression("mcmc", 10.0)
    x = stream(3, "x").standard_normal((20_000, posterior.dim)).astype(np.float32)
    w = normalised(posterior.at(x) - log_standard_normal(x))
    mean = w @ x
    std = np.sqrt(w @ np.square(x - mean))
    draws = posterior.prepare(Sizes(3000, 10, 10, 10))["train_1"]
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.12)
    np.testing.assert_allclose(draws.std(axis=0), std, rtol=0.1)


# The chains of the logistic posterior take a while; the test above runs them.
@pytest.mark.parametrize("name", [n for n in DENSITIES if not n.startswith("logistic")])
def test_what_is_prepared(name: str) -> None:
    density = DENSITIES[name]
    arrays = density.prepare(SIZES)
    assert all(arrays[f"{split}_1"].shape == (getattr(SIZES, split), density.dim) for split in ("train", "val", "test"))
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert ("train_log_weight" in arrays) == (density.points == "importance") == ("mcmc_r_hat" not in arrays)


def test_batches_of_weighted_points_have_the_targets_distribution(tmp_path: Path) -> None:
    """Of N(1/2, I) from points of N(0, I), in training and in validation; the learning curve does without."""
    prepare(_Normal("importance"), Sizes(20_000, 5_000, 100, 100), tmp_path / "data.npz")
    data = load(tmp_path / "data.npz")
    method = CONFIG.methods["icfm"].method
    sampler = PairSampler.of(method, data, 500)
    x1 = np.concatenate([training_pairs(sampler, 0, step).x1 for step in range(40)])
    assert np.abs(x1.mean(axis=0) - 0.5).max() < 0.05 and np.abs(x1.std(axis=0) - 1).max() < 0.05
    validation = validation_pairs(sampler, 0).x1
    assert len(validation) == 5000 and np.abs(validation.mean(axis=0) - 0.5).max() < 0.1
    np.testing.assert_array_equal(training_pairs(sampler, 0, 7).x1, training_pairs(sampler, 0, 7).x1)
    assert validation_distances(method, method.network(1, 3, TRAINING), data, 0) == Distances()


def _run(density: Density, method_name: str, folder: Path) -> dict[str, dict[str, object]]:
    """The stages of one run by hand; its metrics by solver."""
    method, data, runs = CONFIG.methods[method_name].method, folder / "data.npz", {42: folder / "run"}
    quiet = {"report": lambda *_: None}
    prepare(density, SIZES, data)
    settings = TRAINING if method.trained else None
    if method.trained:
        train(method, TRAINING, data, runs, {}, folder / "state", "{}", "cpu", 0, **quiet)  # type: ignore[arg-type]
    sample(method, density, settings, SOLVERS, data, runs, "cpu", **quiet)  # type: ignore[arg-type]
    metrics = ["log_z", "log_z_bias", "effective_share", "nll", "w2"]
    evaluate(SOLVERS, metrics, data, runs, {}, "{}", {}, **quiet)  # type: ignore[arg-type]
    found: dict[str, dict[str, object]] = json.loads((folder / "run/metrics.json").read_text())
    return found


REASONS = {
    "nan": r"the log density is NaN or \+inf at \d+ of 256 points, as at \[",
    "inf": r"the log density is NaN or \+inf at \d+ of 256 points, as at \[",
    "shape": r"the log density of points \(256, 3\) has shape \(256, 1\), not \(256,\)",
    "collapse": r"the importance weights collapsed: effective sample size 0\.\d+% of 256",
}


@pytest.mark.parametrize("method", ["otcfm", "identity", "oracle"])
@pytest.mark.parametrize("fault", list(REASONS))
def test_what_is_no_density_fails_every_run_with_one_line(fault: str, method: str, tmp_path: Path) -> None:
    found = _run(_Normal("importance", fault), method, tmp_path)
    for result in found.values():
        assert result["status"] == "failed" and result["metrics"] == {}
        assert "\n" not in str(result["reason"])
        assert re.match(REASONS[fault], str(result["reason"]))


def test_a_density_that_fails_at_the_samples_fails_the_run_and_no_other(tmp_path: Path) -> None:
    """It is NaN far out only, where the identity does not go: nothing is known of it when the data are prepared."""
    density = _Normal("importance", "later")
    assert _run(density, "identity", tmp_path / "a")["euler"]["status"] == "ok"
    with pytest.raises(RunFailed, match=r"NaN or \+inf at 1 of 2 points, as at \[9\. 0\. 0\.\]"):
        density.at(np.array([[9, 0, 0], [0, 0, 0]], dtype=np.float32))


def test_a_run_on_a_density_is_measured(tmp_path: Path) -> None:
    found = _run(_Normal("importance"), "otcfm", tmp_path)
    assert {"log_z", "effective_share", "w2"} <= found["euler"]["metrics"].keys()  # type: ignore[attr-defined]
    assert "nll" not in found["euler"]["metrics"] and "nll" in found["dopri5"]["metrics"]  # type: ignore[operator]
    assert "log_z_bias" not in found["dopri5"]["metrics"]  # type: ignore[operator]  # its normaliser is not said


def _evaluation(**stored: np.ndarray) -> Evaluation:
    x = np.zeros((len(next(iter(stored.values()))), 2), dtype=np.float32)
    return Evaluation(x, x, x, None, 1, 0.0, None, None, None, known={"log_normaliser": np.array(1.0)}, stored=stored)


def test_log_z_of_exact_samples_is_exact_and_a_collapse_is_no_number() -> None:
    q = stream(0, "q").standard_normal(500).astype(np.float32)
    same = _evaluation(log_density=q, log_target=q + 1.25)
    values = {name: METRICS[name].compute(same) for name in ("log_z", "log_z_bias", "log_z_error", "effective_share")}  # type: ignore[misc]
    assert values == pytest.approx(
        {"log_z": 1.25, "log_z_bias": 0.25, "log_z_error": 0.25, "effective_share": 1}, abs=1e-5
    )
    spiked = _evaluation(log_density=q, log_target=np.where(np.arange(500) == 3, 0, -50).astype(np.float32))
    for name in ("log_z", "log_z_bias", "log_z_error", "effective_share"):
        with pytest.raises(RunFailed, match="collapsed"):
            METRICS[name].compute(spiked)  # type: ignore[misc]


def test_nearness_to_zero_is_what_makes_a_bias_good() -> None:
    assert METRICS["log_z_bias"].badness(-0.3) == 0.3 < METRICS["log_z_bias"].badness(0.4)
    assert METRICS["effective_share"].badness(0.9) < METRICS["effective_share"].badness(0.1)


def test_bits_per_dimension_of_uniform_noise() -> None:
    """Pictures of 17 grey levels, all equally probable: log2 17 bits a pixel, however they are scaled."""
    arrays = Scikit("digits").prepare(None)
    n, scale = len(arrays["test_1"]), float(arrays["log_scale"])
    uniform = np.full(n, -64 * np.log(17) - scale, dtype=np.float32)  # per unit of the scaled volume
    x = arrays["test_1"]
    evaluation = Evaluation(x, x, x, None, 1, 0.0, None, None, None, None, arrays, {"test_log_density": uniform})
    assert METRICS["bits_per_dim"].compute(evaluation) == pytest.approx(np.log2(17), abs=1e-4)  # type: ignore[misc]
    points = np.concatenate([arrays[f"{split}_1"] for split in ("train", "val", "test")])
    assert points.mean() == pytest.approx(0, abs=1e-3) and points.std() == pytest.approx(1, abs=1e-3)
    assert np.ptp(points) == pytest.approx(17 * np.exp(-scale / 64) ** -1, rel=0.01)


def test_only_flows_from_noise_tell_densities() -> None:
    assert Prepared({}, 2, True).from_noise and not Prepared({}, 2, False).from_noise
    assert not Prepared({}, 2, True, times=(0.0, 1.0, 2.0), span=(0.0, 1.0)).from_noise
    assert Trajectory(np.zeros(2), np.zeros((2, 1, 1)), 0, 0.0).log_density is None
