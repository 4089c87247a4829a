"""Reflow, action matching and [SF]2M against what is known of them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cfm.artifacts.data import save
from cfm.artifacts.model import Model, load_model
from cfm.datasets.base import Prepared
from cfm.methods.action_matching import ActionMatching
from cfm.methods.base import Batch, Method, Start
from cfm.methods.dsbm import DSBM
from cfm.methods.flow_matching import FlowMatching
from cfm.methods.reflow import Reflow
from cfm.methods.score_flow import ScoreAndFlow
from cfm.methods.weighted import Weighted
from cfm.rng import stream
from cfm.settings import Solver, Training
from cfm.solvers.ode import integrate
from cfm.stages.train import train
from cfm.training.batches import PairSampler, training_pairs
from cfm.training.trainer import Trainer, stack

CPU = torch.device("cpu")
SETTINGS = Training(32, 2, batch_size=128, steps=1000, learning_rate=5e-3, weight_decay=0, validate_every=200)


def _two_modes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Two narrow modes to the left and the right: independent pairs cross, so I-CFM's flow bends."""
    side = 3.0 * rng.choice([-1.0, 1.0], size=(n, 1))
    return np.hstack([side, np.zeros((n, 1))]).astype(np.float32) + 0.3 * rng.standard_normal((n, 2), dtype=np.float32)


def _data(source: bool = False) -> Prepared:
    arrays = {f"{s}_1": _two_modes(stream(0, s), 2000) for s in ("train", "val", "test")}
    if source:
        arrays |= {
            f"{s}_0": stream(1, s).standard_normal((2000, 2), dtype=np.float32) for s in ("train", "val", "test")
        }
    return Prepared(arrays, dim=2, gaussian_source=not source)


def _trained(method: Method, folder: Path, data: Prepared, teacher: Trainer | None = None) -> Trainer:
    teachers = {} if teacher is None else {0: teacher.layers(0, "last")}
    trainer = Trainer(method, data, SETTINGS, [0], CPU, folder / "state", 0, teachers)
    trainer.run(lambda *_: None)
    return trainer


def _curvature(net: nn.Module) -> float:
    """E int |v(t, x_t) - (x_1 - x_0)|^2 dt: zero for straight lines at constant speed."""
    x0 = stream(9, "x0").standard_normal((1000, 2), dtype=np.float32)
    x = integrate(net, x0, Solver("euler", steps=100)).x
    return float(((np.diff(x, axis=0) * 100 - (x[-1] - x[0])) ** 2).sum(2).mean())


REFLOW = Reflow("icfm", sigma=0.0, draws=5, euler_steps=50)


@pytest.mark.parametrize("stored", [False, True])
def test_reflow_halves_the_curvature(stored: bool, tmp_path: Path) -> None:
    data = _data(stored)
    first = _trained(FlowMatching("independent", "linear", 0.0), tmp_path / "1", data)
    second = _trained(REFLOW, tmp_path / "2", data, first)
    assert _curvature(first.net) > 0.3
    assert _curvature(second.net) < 0.5 * _curvature(first.net)


def test_reflow_trains_on_what_its_teacher_makes(tmp_path: Path) -> None:
    """The pairs of a batch are the ends of the teacher's own trajectories, and differ between steps."""
    first = _trained(FlowMatching("independent", "linear", 0.0), tmp_path, _data())
    sampler = dataclasses.replace(
        PairSampler.of(REFLOW, _data(), 64), generated={0: REFLOW.generate_pairs(first.net, _data(), 0, 0, 1)}
    )
    assert len(sampler.points(0, 0).target("train")) == 5 * 2000
    one, other = (training_pairs(sampler, 0, step) for step in (0, 1))
    np.testing.assert_array_equal(one.x1, integrate(first.net, one.x0, Solver("euler", steps=50)).x[-1])
    assert not np.array_equal(one.x0, other.x0)


def test_reflow_resumes_with_the_same_bits(tmp_path: Path) -> None:
    """The pairs are kept in the state: after some steps the network could not make them again."""
    first = _trained(FlowMatching("independent", "linear", 0.0), tmp_path / "1", _data())
    undisturbed = _trained(REFLOW, tmp_path / "2", _data(), first)

    def stop(step: int, steps: int, text: str) -> None:
        if step == 400:
            raise KeyboardInterrupt

    teachers = {0: first.layers(0, "last")}
    with pytest.raises(KeyboardInterrupt):
        Trainer(REFLOW, _data(), SETTINGS, [0], CPU, tmp_path / "3", 0, teachers).run(stop)
    resumed = Trainer(REFLOW, _data(), SETTINGS, [0], CPU, tmp_path / "3", 0, teachers)
    assert resumed.step == 400
    resumed.run(lambda *_: None)
    assert torch.equal(resumed.net.theta, undisturbed.net.theta)


class _Linear(nn.Module):
    """S(t, x) = a . x + c t."""

    def __init__(self, a: list[float], c: float) -> None:
        super().__init__()
        self.a, self.c = nn.Parameter(torch.tensor(a)), c

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        return (x @ self.a)[..., None] + self.c * t


def test_action_matching_measures_the_distance_to_the_action() -> None:
    """For a translation by m the action is m . x - |m|^2 t / 2, and L(s) - L(action) = 1/2 |grad s - m|^2."""
    m = torch.tensor([2.0, -1.0])
    x0 = torch.randn(1, 500, 2)
    batch = Batch(x0, x0 + m, torch.rand(1, 500, 1), torch.randn(1, 500, 2))
    least = float(ActionMatching().loss(_Linear([2.0, -1.0], -2.5), batch))
    assert least == pytest.approx(-2.5, abs=1e-4)
    for a in ([0.0, 0.0], [2.0, 1.0], [3.0, -1.0]):
        excess = float(ActionMatching().loss(_Linear(a, 7.0), batch)) - least
        assert excess == pytest.approx(0.5 * float((torch.tensor(a) - m).square().sum()), abs=1e-4)


SHIFT = np.array([3.0, 0.0], dtype=np.float32)


def _shifted() -> Prepared:
    """From N(0, I) to N(m, I), m the shift."""
    draw = {s: stream(0, s).standard_normal((4000, 2), dtype=np.float32) for s in ("train", "val", "test")}
    return Prepared({f"{s}_1": SHIFT + x for s, x in draw.items()}, dim=2, gaussian_source=True)


def _start() -> Start:
    x0 = stream(5, "x0").standard_normal((4000, 2), dtype=np.float32)
    return Start(x0, None, stream(5, "sample"))  # type: ignore[arg-type]


def test_score_and_flow_follow_the_gaussian_bridge(tmp_path: Path) -> None:
    """From N(0, I) to N(m, I) with sigma = 1: SDE samples have the target's mean and std, and half-way the bridge's.

    The bridge's marginals are N(t m, s_t^2 I), s_t^2 = (1 - t)^2 + t^2 + 2 t (1 - t) c + t (1 - t), where c is the
    covariance of the entropic plan with eps = 2: c = sqrt(1 + 1/4) - 1/2   (Bunne et al. 2023, eq. 6, at sigma = 1).
    """
    method = ScoreAndFlow("entropic", "brownian_bridge", 1.0)
    trainer = _trained(method, tmp_path, _shifted())
    path = method.sample(trainer.net, _start(), Solver("euler", steps=100))
    assert path.nfe == 100
    assert path.x[-1].mean(0) == pytest.approx(SHIFT, abs=0.15)
    assert path.x[-1].std(0) == pytest.approx([1, 1], abs=0.1)
    middle = path.x[50]
    c = np.sqrt(1.25) - 0.5
    assert middle.mean(0) == pytest.approx(SHIFT / 2, abs=0.15)
    assert middle.std(0) == pytest.approx(np.sqrt(0.5 + c / 2 + 0.25), abs=0.1)
    # The probability flow's energy, not the noise's: W2^2 = 9 plus what its change of width costs.
    assert path.energy.mean() == pytest.approx(9, abs=0.8)
    # The adaptive solver, which has no steps for noise, solves the ODE of v: the same target, and the same twice.
    once, again = (method.sample(trainer.net, _start(), Solver("dopri5", tolerance=1e-4)).x[-1] for _ in range(2))
    assert np.array_equal(once, again) and once.mean(0) == pytest.approx(SHIFT, abs=0.15)


def test_the_loss_of_score_and_flow_is_least_at_the_score(tmp_path: Path) -> None:
    """With x0 = x1 = 0 the bridge is N(0, sigma^2 t (1 - t)): s = -x / (2 t (1 - t)) leaves no error."""

    class _Exact(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def forward(self, t: Tensor, x: Tensor) -> Tensor:
            return self.factor * x / (2 * t * (1 - t))

    method = ScoreAndFlow("independent", "brownian_bridge", 0.7)
    zeros = np.zeros((256, 2), dtype=np.float32)
    pairs = training_pairs(PairSampler.of(method, Prepared({"train_1": zeros, "train_0": zeros}, 2, False), 256), 0, 0)
    batch = stack([pairs], CPU)
    exact = nn.ModuleDict({"flow": _Exact(1.0), "score": _Exact(-1.0)})
    wrong = nn.ModuleDict({"flow": _Exact(1.0), "score": _Exact(-0.5)})
    # u_t = (1 - 2t) / (2t (1 - t)) x here, so the flow's error is the same in both.
    difference = float(method.loss(wrong, batch)) - float(method.loss(exact, batch))
    assert difference == pytest.approx(0.25 * float(batch.eps.square().mean()), rel=1e-3)


def test_weights_are_the_gibbs_kernel_of_the_pairs() -> None:
    """Mean 1, ratio of two weights exp(-(c - c') / (epsilon m)), m the mean cost of all pairs of points."""
    x0, x1 = torch.randn(50, 2), 2 + torch.randn(50, 2)
    weights = Weighted("independent", "linear", 0.1, epsilon=0.4).weights(x0, x1)
    assert float(weights.mean()) == pytest.approx(1, abs=1e-5)
    unit = torch.cdist(x0, x1).square().mean()
    cost = (x0 - x1).square().sum(1)
    expected = torch.exp((cost[0] - cost[1:]) / (0.4 * unit))
    torch.testing.assert_close(weights[1:] / weights[0], expected, rtol=1e-5, atol=0)  # exponents near 10, in float32


def test_weights_shorten_the_path(tmp_path: Path) -> None:
    """The field of weighted pairs bends less than that of independent ones."""
    data = _data()
    plain = _trained(FlowMatching("independent", "linear", 0.0), tmp_path / "1", data)
    weighted = _trained(Weighted("independent", "linear", 0.0, epsilon=0.3), tmp_path / "2", data)
    assert _curvature(weighted.net) < 0.7 * _curvature(plain.net)


def test_dsbm_fits_the_gaussian_bridge(tmp_path: Path) -> None:
    """From N(0, I) to N(m, I), sigma = 1: the target's moments at t = 1, and the correlation of the entropic plan."""
    method = DSBM(sigma=1.0, iterations=6, draws=1, sde_steps=30)
    trainer = _trained(method, tmp_path, _shifted())
    path = method.sample(trainer.net, _start(), Solver("euler", steps=100))
    assert path is not None
    assert path.x[-1].mean(0) == pytest.approx(SHIFT, abs=0.2)
    assert path.x[-1].std(0) == pytest.approx([1, 1], abs=0.15)
    covariance = ((path.x[0] - path.x[0].mean(0)) * (path.x[-1] - path.x[-1].mean(0))).mean(0)
    assert covariance == pytest.approx([np.sqrt(1.25) - 0.5] * 2, abs=0.15)


def test_dsbm_changes_sides() -> None:
    """Backward first, forward last, and new pairs at every change."""
    method = DSBM(sigma=1.0, iterations=4, draws=1, sde_steps=5)
    parts = [method.trained_part(step, 10) for step in range(10)]
    changes = [step for step in range(1, 10) if parts[step] != parts[step - 1]]
    assert changes == method.refresh_steps(10) == [3, 5, 8]
    assert parts[0] == "backward_drift" and parts[-1] == "forward_drift"


def test_a_failed_teacher_fails_its_pupil_and_seconds_add_up(tmp_path: Path) -> None:
    """The stage writes the reason into the pupil's file; a healthy teacher's seconds count as the pupil's."""
    data = _data()
    path = tmp_path / "data.npz"
    save(data, path)
    layers = Trainer(FlowMatching("independent", "linear", 0.0), data, SETTINGS, [0], CPU, tmp_path / "s").layers(
        0, "last"
    )
    short = dataclasses.replace(SETTINGS, steps=20, validate_every=10)
    teachers = {1: Model(layers, "no plan", 5.0, None, {}), 2: Model(layers, None, 1000.0, None, {})}
    runs = {seed: tmp_path / f"seed={seed}" for seed in teachers}
    failures = train(REFLOW, short, path, runs, teachers, tmp_path / "state", "{}", "cpu", 0, lambda *_: None)
    assert failures == {1: "icfm failed: no plan"}
    models = {seed: load_model(folder, short) for seed, folder in runs.items()}
    assert models[1].failure == "icfm failed: no plan" and models[2].failure is None
    assert 1000 < models[2].train_seconds < 1100


def test_seeds_that_share_stored_sources_are_saved_and_resumed(tmp_path: Path) -> None:
    """Two seeds' own pairs start from the same stored points, which the state must hold for each of them."""
    data = _data(source=True)
    short = dataclasses.replace(SETTINGS, steps=20, validate_every=10)
    layers = Trainer(REFLOW, data, SETTINGS, [0, 1], CPU, tmp_path / "t").layers(0, "last")
    for stop in (10, 20):
        trainer = Trainer(
            REFLOW, data, dataclasses.replace(short, steps=stop), [0, 1], CPU, tmp_path / "s", 0, {0: layers}
        )
        trainer.run(lambda *_: None)
    assert trainer.step == 20 and set(trainer.sampler.generated) == {0, 1}
