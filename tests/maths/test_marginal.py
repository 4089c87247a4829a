"""The marginal field and the variance of the objective without a network, against Gaussian closed forms."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cfm.artifacts.data import save
from cfm.datasets.base import Prepared
from cfm.methods.flow_matching import FlowMatching
from cfm.paths import PATHS
from cfm.rng import stream
from cfm.settings import Objective, Solver
from cfm.solvers.marginal import Marginal, objective_variance
from cfm.solvers.ode import integrate
from cfm.stages.objective import _variance, draw, measure
from cfm.training.batches import PairSampler

MEAN, STD, SIGMA = torch.tensor([2.0, -1.0]), 0.5, 0.3


def _normal(name: str, n: int) -> Tensor:
    return torch.from_numpy(stream(0, name).standard_normal((n, 2), dtype=np.float32))


def _independent(n: int, path: str = "linear") -> Marginal:
    return Marginal(_normal("x0", n), MEAN + STD * _normal("x1", n), PATHS[path](SIGMA))


def _moments(t: float) -> tuple[float, float, float]:
    """Per coordinate, for independent pairs: variance of x_t, covariance of u and x_t, variance of u."""
    return (1 - t) ** 2 + t**2 * STD**2 + SIGMA**2, t * STD**2 - (1 - t), 1 + STD**2


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_the_marginal_field_is_the_conditional_expectation(t: float) -> None:
    """Jointly normal: E[u | x_t = x] = m + cov / var (x - t m)."""
    var, cov, _ = _moments(t)
    x = t * MEAN + var**0.5 * _normal("query", 200)
    field, concentration = _independent(20_000).velocity(t, x)
    expected = MEAN + cov / var * (x - t * MEAN)
    assert (field - expected).square().sum(1).mean() < 0.01
    assert ((concentration > 0) & (concentration <= 1)).all()


def test_lipmans_path_has_the_same_field_as_its_gaussian_pairs_at_sigma_zero() -> None:
    """With sigma = 0 FM is I-CFM from a normal source, so their marginal fields agree."""
    x1 = MEAN + STD * _normal("x1", 20_000)
    fm = Marginal(_normal("x0", 20_000), x1, PATHS["lipman"](0.0))
    x = 0.5 * MEAN + 0.5 * _normal("query", 200)
    var, cov = 0.25 + 0.25 * STD**2, 0.5 * STD**2 - 0.5
    expected = MEAN + cov / var * (x - 0.5 * MEAN)
    assert (fm.velocity(0.5, x)[0] - expected).square().sum(1).mean() < 0.01


def test_the_marginal_flow_ends_at_the_target() -> None:
    """Its ODE carries the source to the target (widened by sigma), as theorem 3.1 of the paper says."""
    path = integrate(_independent(5_000), _normal("start", 1_000).numpy(), Solver("euler", steps=50))
    assert path.x[-1].mean(0) == pytest.approx(MEAN.numpy(), abs=0.1)
    assert path.x[-1].std(0) == pytest.approx([np.hypot(STD, SIGMA)] * 2, abs=0.06)


@pytest.mark.parametrize("conditionals", [1_000, 20_000])
def test_objective_variance_is_the_gaussian_one(conditionals: int) -> None:
    """Two coordinates' var(u) - cov^2 / var(x_t), averaged over the times; also where few conditionals are near."""
    times = 8
    found = objective_variance(
        _independent(conditionals), _normal("a", 4_000), MEAN + STD * _normal("b", 4_000), _normal("c", 4_000), times
    )
    expected = 0.0
    for k in range(times):
        var, cov, var_u = _moments((k + 0.5) / times)
        expected += 2 * (var_u - cov**2 / var) / times
    assert found == pytest.approx(expected, rel=0.04)


def _data() -> Prepared:
    x1 = {f"{s}_1": (MEAN + STD * _normal(s, 4000)).numpy() for s in ("train", "val", "test")}
    return Prepared(x1, dim=2, gaussian_source=True)


def test_exact_pairs_leave_little_variance() -> None:
    """Between Gaussians of one shape the optimal map is affine: x_t tells u, but for the noise and the finite batch."""
    settings = Objective(batch_size=256, batches=20, points=512, times=4)
    found = {}
    for coupling in ("independent", "exact"):
        method = FlowMatching(coupling, "linear", 0.1)  # type: ignore[arg-type]
        found[coupling] = _variance(method, PairSampler.of(method, _data(), settings.batch_size), settings, seed=3)
    assert found["exact"] < 0.1 * found["independent"]


def test_conditionals_and_points_do_not_overlap() -> None:
    """The points are of later batches than the conditionals: none is measured against itself."""
    method = FlowMatching("independent", "linear", 0.1)
    sampler = PairSampler.of(method, _data(), 64)
    bank, points = draw(sampler, 5, 0, 4), draw(sampler, 5, 4, 1)
    assert bank[0].shape == (256, 2) and points[0].shape == (64, 2)
    assert not (bank[0][:, None] == points[0]).all(2).any()


def test_the_stage_writes_a_value_or_the_reason(tmp_path: Path) -> None:
    """As evaluation does: status, reason, and the metric; at small sigma the float32 kernel is zero for some batch."""
    data = _data()
    path = tmp_path / "data.npz"
    far = {name: points + 100 * (name[-1] == "1") for name, points in data.arrays.items()}
    save(Prepared(far, 2, gaussian_source=True), path)
    settings, runs = Objective(batch_size=32, batches=2, points=32, times=2), {7: tmp_path / "seed=7"}
    for coupling, status in (("exact", "ok"), ("entropic_float32", "failed")):
        method = FlowMatching(coupling, "linear", 0.1)  # type: ignore[arg-type]
        measure(method, settings, path, runs, "{}", "code", lambda *_: None)
        result = json.loads((runs[7] / "metrics.json").read_text())["pairs"]
        assert result["status"] == status and bool(result["reason"]) == (status == "failed")
        assert ("objective_variance" in result["metrics"]) == (status == "ok")
    assert json.loads((runs[7] / "provenance.json").read_text())["evaluate"]["data_sha256"]
