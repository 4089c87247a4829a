"""Training: a seed's bits depend on nothing but the seed, and flow matching finds the Gaussian answers."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from cfm.artifacts.data import save
from cfm.artifacts.model import load_model
from cfm.couplings.assignment import wasserstein2_squared
from cfm.datasets.base import Prepared
from cfm.errors import RunFailed
from cfm.methods.flow_matching import FlowMatching
from cfm.nets.mlp import StackedMLP
from cfm.rng import stream
from cfm.settings import Solver, Training
from cfm.solvers.ode import integrate
from cfm.stages.train import train
from cfm.training.batches import PairSampler, training_pairs
from cfm.training.history import History
from cfm.training.trainer import Trainer

CPU = torch.device("cpu")
SETTINGS = Training(
    width=16, depth=2, batch_size=37, steps=40, learning_rate=1e-3, weight_decay=1e-5, validate_every=10
)


def _gaussians(mean: float, std: float, n: int = 2000) -> Prepared:
    draw = {s: mean + std * stream(0, s).standard_normal((n, 2)) for s in ("train", "val", "test")}
    return Prepared({f"{s}_1": x.astype(np.float32) for s, x in draw.items()}, dim=2, gaussian_source=True)


def _trainer(seeds: list[int], state: Path, method: FlowMatching | None = None) -> Trainer:
    method = method or FlowMatching("exact", "linear", 0.1)
    return Trainer(method, _gaussians(3, 0.5), SETTINGS, seeds, CPU, state)


def _run(trainer: Trainer, stop_after: int | None = None) -> None:
    def report(step: int, steps: int, text: str) -> None:
        if step == stop_after:
            raise KeyboardInterrupt

    trainer.run(report)


@pytest.mark.parametrize("coupling", ["independent", "exact", "entropic"])
@pytest.mark.parametrize("path", ["linear", "trigonometric", "brownian_bridge"])
def test_a_seed_has_the_same_bits_alone_and_in_any_stack(coupling: str, path: str, tmp_path: Path) -> None:
    method = FlowMatching(coupling, path, 0.5)  # type: ignore[arg-type]
    together = _trainer([42, 43, 44, 45, 46], tmp_path / "a", method)
    _run(together)
    for seeds in ([44], [46, 42]):
        other = _trainer(seeds, tmp_path / f"{seeds}", method)
        _run(other)
        for place, seed in enumerate(seeds):
            assert torch.equal(other.net.theta[place], together.net.theta[seed - 42])
            assert torch.equal(other.best[""][place], together.best[""][seed - 42])
            mine, theirs = other.history.rows[place], together.history.rows[seed - 42]
            assert [(r.train_loss, r.val_loss) for r in mine] == [(r.train_loss, r.val_loss) for r in theirs]


def test_resuming_gives_the_bits_of_an_undisturbed_run(tmp_path: Path) -> None:
    undisturbed = _trainer([1, 2], tmp_path / "a")
    _run(undisturbed)
    with pytest.raises(KeyboardInterrupt):
        _run(_trainer([1, 2], tmp_path / "b"), stop_after=20)
    resumed = _trainer([1, 2], tmp_path / "b")
    assert resumed.step == 20
    _run(resumed)
    assert torch.equal(resumed.net.theta, undisturbed.net.theta)
    assert torch.equal(resumed.best[""], undisturbed.best[""])
    assert resumed.history.best_step == undisturbed.history.best_step
    losses = [[(r.step, r.train_loss, r.val_loss) for r in t.history.rows[0]] for t in (resumed, undisturbed)]
    assert losses[0] == losses[1]


def test_a_history_survives_its_json() -> None:
    history = History.empty(2)
    history.failures[7] = "the loss is not finite"
    history.best_loss[0] = 0.1 + 0.2
    assert History.from_json(history.to_json()) == history


@dataclass(frozen=True)
class _Poisoned(FlowMatching):
    """Fails at step 13: seed 1 has no plan, seed 2 meets a NaN."""

    def couple(self, x0, x1, rng, potentials=None):  # type: ignore[no-untyped-def,override]
        key, (*_, step) = (rng.bit_generator.state["state"][name] for name in ("key", "counter"))
        if step == 13 and key[0] == 1:
            raise RunFailed("no plan")
        if step == 13 and key[0] == 2:
            x1[0] = np.nan
        return super().couple(x0, x1, rng, potentials)


def test_failing_seeds_leave_the_others_alone(tmp_path: Path) -> None:
    """One seed without a plan, one with a NaN: both fail with their reason, the third keeps its bits."""
    poisoned = _trainer([1, 2, 3], tmp_path / "a", _Poisoned("independent", "linear", 0.1))
    _run(poisoned)
    assert poisoned.history.failures == {1: "no plan", 2: "the loss is not finite by step 20"}
    healthy = _trainer([3], tmp_path / "b", FlowMatching("independent", "linear", 0.1))
    _run(healthy)
    assert torch.equal(poisoned.net.theta[2], healthy.net.theta[0])


def test_best_and_last_networks_are_both_kept(tmp_path: Path) -> None:
    """The files rebuild the networks, and `best` is the one with the lowest validation loss."""
    data = _gaussians(3, 0.5)
    path = tmp_path / "data.npz"
    save(data, path)
    runs = {5: tmp_path / "seed=5"}
    method = FlowMatching("independent", "linear", 0.1)
    failures = train(method, SETTINGS, path, runs, {}, tmp_path / "state", "{}", "cpu", 0, lambda *a: None)
    assert failures == {} and not (tmp_path / "state").exists()
    trainer = _trainer([5], tmp_path / "again", method)
    _run(trainer)
    last_settings = dataclasses.replace(SETTINGS, checkpoint="last")
    best, last = (load_model(runs[5], settings).network(method, settings, 2) for settings in (SETTINGS, last_settings))
    assert torch.equal(best.theta, trainer.best[""])
    assert torch.equal(last.theta, trainer.net.theta)
    rows = trainer.history.rows[0]
    assert trainer.history.best_step[0] == min(rows, key=lambda row: row.val_loss).step


def test_the_stacked_step_equals_a_plain_loop_over_seeds(tmp_path: Path) -> None:
    """The same batches through torch.nn.Linear, autograd and AdamW of one seed at a time."""
    method = FlowMatching("independent", "linear", 0.1)
    trainer = _trainer([1, 2], tmp_path / "a", method)
    start = trainer.net.theta.detach().clone()
    _run(trainer)
    for place, seed in enumerate((1, 2)):
        net = StackedMLP(1, 2, 16, 2)
        net.theta.data = start[place : place + 1].clone()
        weights = [w[0].detach().clone().requires_grad_() for w in net.layers()]
        optimiser = torch.optim.AdamW(weights, lr=1e-3, weight_decay=1e-5)
        sampler = PairSampler.of(method, _gaussians(3, 0.5), 37)
        for step in range(SETTINGS.steps):
            pairs = training_pairs(sampler, seed, step)
            x0, x1, t, eps = map(torch.from_numpy, (pairs.x0, pairs.x1, pairs.t, pairs.eps))
            hidden = torch.cat([t * x1 + (1 - t) * x0 + 0.1 * eps, t], 1)
            for k in range(0, 4, 2):
                hidden = torch.selu(hidden @ weights[k] + weights[k + 1])
            loss = torch.nn.functional.mse_loss(hidden @ weights[4] + weights[5], x1 - x0)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        for plain, stacked in zip(weights, trainer.net.layers(), strict=True):
            torch.testing.assert_close(stacked[place], plain, rtol=1e-3, atol=1e-5)


def test_otcfm_learns_the_optimal_map_between_gaussians(tmp_path: Path) -> None:
    """From N(0, I) to N(m, s^2 I) the optimal map is m + s x0: OT-CFM's flow is close to it, and straight."""
    settings = dataclasses.replace(SETTINGS, width=64, depth=3, batch_size=128, steps=1500, validate_every=100)
    trainer = Trainer(FlowMatching("exact", "linear", 0.01), _gaussians(3, 0.5), settings, [0], CPU, tmp_path / "state")
    _run(trainer)
    x0 = stream(9, "x0").standard_normal((500, 2)).astype(np.float32)
    path = integrate(trainer.net, x0, Solver("euler", steps=20))
    error = np.abs(path.x[-1] - (3 + 0.5 * x0)).mean()
    assert error < 0.15
    target = (3 + 0.5 * stream(8, "x1").standard_normal((500, 2))).astype(np.float64)
    assert wasserstein2_squared(path.x[-1].astype(np.float64), target) < 0.05 * wasserstein2_squared(
        x0.astype(np.float64), target
    )
    straightness = np.abs(path.x[10] - (path.x[0] + path.x[-1]) / 2).mean()
    assert straightness < 0.1


def test_a_long_training_says_how_long_it_will_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the speed after a warm-up, and before the first check."""
    settings = dataclasses.replace(SETTINGS, steps=50, validate_every=50)
    said: list[tuple[int, str]] = []

    def train(name: str) -> None:
        trainer = Trainer(
            FlowMatching("independent", "linear", 0.1), _gaussians(2, 0.5), settings, [1], CPU, tmp_path / name
        )
        trainer.run(lambda step, steps, text: said.append((step, text)))

    train("short")
    assert [step for step, _ in said] == [50]
    monkeypatch.setattr("cfm.training.trainer._LONG", 0.0)
    train("long")
    assert [step for step, _ in said[1:]] == [40, 50]
    assert "ms a step: about 0.0 hours to go" in said[1][1]
