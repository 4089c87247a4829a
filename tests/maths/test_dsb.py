"""DSB's reversals are the true ones; DSB and SB-CFM reach the Gaussian bridge."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from cfm.datasets.base import Prepared
from cfm.datasets.gaussian_bridge import GaussianBridge
from cfm.methods.base import Method, Start
from cfm.methods.dsb import DSB
from cfm.methods.flow_matching import FlowMatching
from cfm.metrics.bridge import at_times, kl_over_time
from cfm.rng import stream
from cfm.settings import Sizes, Solver, Training
from cfm.training.batches import PairSampler, training_pairs, validation_pairs
from cfm.training.trainer import Trainer

CPU = torch.device("cpu")
DATA = GaussianBridge(dimension=2, mean=1.0, source_std=1.0, target_std=0.5, sigma=1.0)
ARRAYS = DATA.prepare(Sizes(train=4000, val=100, test=3000, test_large=10))
PREPARED = Prepared(ARRAYS, 2, gaussian_source=False)
SETTINGS = Training(
    width=32, depth=2, batch_size=256, steps=1800, learning_rate=3e-3, weight_decay=0, validate_every=200
)
METHOD = DSB(sigma=1.0, iterations=6, chain_steps=20, trajectories=500, refresh_every=100)


def _trainer(method: Method, folder: Path, steps: int = SETTINGS.steps) -> Trainer:
    return Trainer(method, PREPARED, dataclasses.replace(SETTINGS, steps=steps), [0], CPU, folder / "state")


def _kl(method: Method, folder: Path) -> np.ndarray:
    trainer = _trainer(method, folder)
    trainer.run(lambda *_: None)
    start = Start(PREPARED.source("test", 0), DATA, stream(0, "sample"))
    path = method.sample(trainer.net, start, Solver("rk4", steps=20))
    points = at_times(path.t, path.x, ARRAYS["bridge_t"])
    return kl_over_time(points, ARRAYS["bridge_mean"], ARRAYS["bridge_covariance"])


@pytest.mark.parametrize("name", ["dsb", "sbcfm"])
def test_reaches_the_gaussian_bridge(name: str, tmp_path: Path) -> None:
    """At all 21 times; the source, staying where it is, ends more than 10 nats away."""
    methods = {"dsb": METHOD, "sbcfm": FlowMatching("entropic", "brownian_bridge", 1.0)}
    errors = _kl(methods[name], tmp_path)
    assert errors.mean() < 0.05 and errors.max() < 0.2
    still = np.broadcast_to(ARRAYS["test_0"], (21, 3000, 2))
    assert kl_over_time(still, ARRAYS["bridge_mean"], ARRAYS["bridge_covariance"]).max() > 10


def test_another_width_is_not_this_bridge(tmp_path: Path) -> None:
    assert _kl(dataclasses.replace(METHOD, sigma=2.0), tmp_path).mean() > 0.1


def test_the_first_chain_is_brownian_and_its_reversal_the_score() -> None:
    """From N(0, 1): E[(x_k - x_{k+1}) / h | x_{k+1} = x] = -sigma^2 x / (1 + sigma^2 t_{k+1}), whatever the network."""
    method = dataclasses.replace(METHOD, sigma=0.8, trajectories=20_000)
    net = method.network(1, 2, SETTINGS)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.3)
    data = Prepared({"train_1": np.zeros((9, 2), np.float32), "val_1": np.zeros((9, 2), np.float32)}, 2, True)
    own = method.generate_pairs(net, data, 0, 0, 8)
    places, drifts, times = (own.arrays[f"train_{name}"] for name in ("0", "1", "t"))
    assert places.shape == drifts.shape == (400_000, 2) and times.shape == (400_000, 1)
    for t in (0.05, 0.5, 1.0):
        here = np.isclose(times[:, 0], t, atol=1e-4)
        assert here.sum() == 20_000
        slope = (places[here] * drifts[here]).sum() / (places[here] ** 2).sum()
        assert slope == pytest.approx(-(0.8**2) / (1 + 0.8**2 * t), abs=0.06)


class _Pull(torch.nn.Module):
    """The drift -x, at all times."""

    def forward(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return -x


def test_a_chain_with_drift_is_reversed() -> None:
    """Of x_{k+1} = (1 - h) x_k + noise: mean matching gives E[x_k | x_{k+1}] = r x_{k+1} up to h^2."""
    start = 2 * stream(0, "start").standard_normal((50_000, 1)).astype(np.float32)
    places, matched, times = METHOD._matched(_Pull(), start, stream(0, "chain"), CPU)
    h, variance = 1 / 20, 4.0
    for k in range(20):
        after = (1 - h) ** 2 * variance + h
        ratio = (1 - h) * variance / after
        here = np.isclose(times[:, 0], (k + 1) * h, atol=1e-4)
        slope = (places[here] * matched[here]).sum() / (places[here] ** 2).sum()
        assert slope == pytest.approx((ratio - 1) / h, abs=0.12)
        variance = after


def test_half_bridges_take_turns() -> None:
    """Backward first on chains from the source, forward last on chains from the target, at the times of their steps."""
    method = dataclasses.replace(METHOD, iterations=8)
    assert [method.trained_part(step, 16) for step in (0, 1, 2, 15)] == ["backward_drift"] * 2 + ["forward_drift"] * 2
    assert method.refresh_steps(16) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert dataclasses.replace(method, refresh_every=1).refresh_steps(16) == [*range(16)]
    assert dataclasses.replace(METHOD, iterations=2, refresh_every=3).refresh_steps(10) == [0, 3, 5, 8]
    net = method.network(1, 2, SETTINGS)
    for step, ends, low, high in ((0, -1.0, 0.05, 1.0), (2, 1.0, 0.0, 0.95)):
        own = method.generate_pairs(net, PREPARED, 0, step, 16)
        times, places = own.arrays["train_t"], own.arrays["train_0"]
        assert (times.min(), times.max()) == pytest.approx((low, high), abs=1e-5)
        first = np.isclose(times[:, 0], low if step == 0 else high, atol=1e-4)
        assert places[first].mean() == pytest.approx(ends, abs=0.1)
        assert len(own.target("val")) == 100


def test_pairs_keep_their_own_times() -> None:
    """In training and validation a place comes with its drift and the time at which both belong together."""
    n = 40
    rows = np.arange(n, dtype=np.float32)[:, None]
    arrays = {
        f"{split}_{k}": scale * rows for split in ("train", "val") for k, scale in (("0", 1), ("1", 2), ("t", 0.01))
    }
    own = Prepared(arrays, 1, False, paired=True)
    sampler = PairSampler(METHOD, own.intervals(), 16, [None], {0: own})
    for pairs in (training_pairs(sampler, 0, 3), validation_pairs(sampler, 0)):
        np.testing.assert_array_equal(pairs.x1, 2 * pairs.x0)
        np.testing.assert_allclose(pairs.t, 0.01 * pairs.x0, rtol=1e-6)


def test_resumes_with_the_same_bits(tmp_path: Path) -> None:
    """Killed inside a half-bridge it goes on with the chains that it had simulated."""
    whole = _trainer(METHOD, tmp_path / "a", 80)
    whole.run(lambda *_: None)

    def stop(step: int, steps: int, text: str) -> None:
        raise KeyboardInterrupt

    settings = dataclasses.replace(SETTINGS, steps=80, validate_every=15)
    killed = Trainer(METHOD, PREPARED, settings, [0], CPU, tmp_path / "state")
    with pytest.raises(KeyboardInterrupt):
        killed.run(stop)
    resumed = Trainer(METHOD, PREPARED, settings, [0], CPU, tmp_path / "state")
    assert resumed.step == 15 and "train_t" in resumed.sampler.generated[0].arrays
    resumed.run(lambda *_: None)
    for name, part in whole.parts.items():
        assert torch.equal(part.theta, resumed.parts[name].theta)
