"""Time courses: pairs of every interval, one network over all times, and the time that is left out."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor

from cfm.couplings.exact import transport_plan, wasserstein_power
from cfm.couplings.minibatch import COUPLINGS
from cfm.datasets.base import Prepared
from cfm.methods.base import Method, Start
from cfm.methods.cnf import CNF
from cfm.methods.dsbm import DSBM
from cfm.methods.flow_matching import FlowMatching
from cfm.methods.identity import Identity
from cfm.methods.ot_interpolation import OTInterpolation
from cfm.methods.score_flow import ScoreAndFlow
from cfm.methods.split_half import SplitHalf
from cfm.rng import stream
from cfm.settings import Solver, Training
from cfm.solvers.likelihood import pull_back_snapshots
from cfm.training.batches import PairSampler, training_pairs, validation_pairs
from cfm.training.trainer import Trainer, stack

CPU = torch.device("cpu")
EULER = Solver("euler", steps=50)
SETTINGS = Training(
    width=32, depth=2, batch_size=64, steps=900, learning_rate=5e-3, weight_decay=0.0, validate_every=100
)
# Where the mean is at times 0 to 4: it moves by (1, 1), twice by (0.5, 1), and by (1, 0.5) per unit of time.
MEANS = np.array([[0, 0], [1, 1], [1.5, 2], [2, 3], [3, 3.5]], dtype=np.float32)
TIMES = (0.0, 1.0, 3.0, 4.0)


def _snapshots(sizes: tuple[int, ...] = (300, 250, 400, 350)) -> Prepared:
    """Round clouds around the means, time 2 left out."""
    arrays = {}
    for split, share in (("train", 1.0), ("val", 0.2)):
        for k, (time, n) in enumerate(zip(TIMES, sizes, strict=True)):
            noise = stream(k, split).standard_normal((int(share * n), 2), dtype=np.float32)
            arrays[f"{split}_{k}"] = MEANS[int(time)] + np.float32(0.3) * noise
    for end, time in enumerate((1, 2)):
        noise = stream(end, "test").standard_normal((300 + 100 * end, 2), dtype=np.float32)
        arrays[f"test_{end}"] = MEANS[time] + np.float32(0.3) * noise
    return Prepared(arrays, 2, gaussian_source=False, times=TIMES, span=(1.0, 2.0))


def _carried(method: Method, data: Prepared, folder: Path, settings: Training = SETTINGS) -> np.ndarray:
    net = None
    if method.trained:
        trainer = Trainer(method, data, settings, [0], CPU, folder / "state")
        trainer.run(lambda *_: None)
        net = trainer.net
    seen = method.view(data)
    start = Start(seen.evaluation_source(0, "test"), None, stream(0, "sample"), seen)
    return method.sample(net, start, EULER).x[-1]


@pytest.mark.parametrize("coupling", [name for name in COUPLINGS if name != "entropic_float32"])
def test_pairs_join_the_ends_of_their_own_interval(coupling: str) -> None:
    """Points carry their snapshot's number, so a pair across intervals would show."""
    ends = {"train": (70, 90, 80, 75), "val": (9, 12, 10, 11)}
    arrays = {}
    for split, counts in ends.items():
        for k, n in enumerate(counts):
            noise = 0.01 * stream(k, split).standard_normal((n, 2), dtype=np.float32)
            arrays[f"{split}_{k}"] = noise + np.array([10 * k, 0], dtype=np.float32)
    data = Prepared(arrays, 2, gaussian_source=False, times=TIMES, span=(1.0, 2.0))
    sampler = PairSampler.of(FlowMatching(coupling, "linear", 1.0), data, 32)  # type: ignore[arg-type]
    drawn = training_pairs(sampler, 3, 5)
    assert len(drawn.x0) == 3 * 32
    checked = validation_pairs(sampler, 3)
    assert len(checked.x0) == 9 + 10 + 10
    for pairs in (drawn, checked):
        assert pairs.start is not None and pairs.length is not None
        first, second = (np.round(x[:, 0] / 10).astype(int) for x in (pairs.x0, pairs.x1))
        np.testing.assert_array_equal(second, first + 1)
        np.testing.assert_array_equal(pairs.start[:, 0], np.array(TIMES)[first])
        np.testing.assert_array_equal((pairs.start + pairs.length)[:, 0], np.array(TIMES)[second])


def test_intervals_have_random_numbers_of_their_own() -> None:
    pairs = training_pairs(PairSampler.of(FlowMatching("independent", "linear", 1.0), _snapshots(), 32), 3, 5)
    times = pairs.t.reshape(3, 32)
    assert len(np.unique(times)) == times.size


def test_one_interval_is_the_two_marginal_code_bit_for_bit(tmp_path: Path) -> None:
    """Also where it begins late: then only the network's time differs."""
    whole = _snapshots((300, 300, 300, 300))
    two = Prepared({n: x for n, x in whole.arrays.items() if n[-1] in "01"}, 2, gaussian_source=False)
    short = dataclasses.replace(SETTINGS, steps=60, validate_every=20)
    method = FlowMatching("exact", "linear", 0.1)
    thetas = []
    for k, data in enumerate((two, dataclasses.replace(whole, times=(0.0, 1.0), span=(0.0, 1.0)))):
        trainer = Trainer(method, data, short, [4, 5], CPU, tmp_path / str(k))
        trainer.run(lambda *_: None)
        thetas.append(trainer.net.theta)
    assert torch.equal(*thetas)
    late = training_pairs(PairSampler.of(method, dataclasses.replace(two, times=(2.0, 3.0)), 64), 4, 0)
    early = training_pairs(PairSampler.of(method, two, 64), 4, 0)
    np.testing.assert_array_equal(late.x1, early.x1)
    batch = stack([late], CPU)
    np.testing.assert_array_equal(batch.time[0], early.t + 2)


def test_a_longer_interval_has_a_smaller_velocity() -> None:
    """The exact field of a translation has loss zero, per unit of time."""
    arrays = {f"train_{k}": np.tile(MEANS[int(time)], (50, 1)) for k, time in enumerate(TIMES)}
    data = Prepared(arrays, 2, gaussian_source=False, times=TIMES, span=(1.0, 2.0))
    method = FlowMatching("independent", "linear", 0.0)
    batch = stack([training_pairs(PairSampler.of(method, data, 20), 0, 0)], CPU)

    class _Exact(torch.nn.Module):
        def forward(self, t: Tensor, x: Tensor) -> Tensor:
            early, late = torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.5])
            return torch.where(t < 1, early, torch.where(t < 3, torch.tensor([0.5, 1.0]), late))

    assert method.loss(_Exact(), batch).item() < 1e-12


@pytest.mark.parametrize("coupling", ["independent", "exact"])
def test_a_shift_is_interpolated_at_the_time_that_is_left_out(coupling: str, tmp_path: Path) -> None:
    moved = _carried(FlowMatching(coupling, "linear", 0.1), _snapshots(), tmp_path)  # type: ignore[arg-type]
    np.testing.assert_allclose(moved.mean(axis=0), MEANS[2], atol=0.15)


@pytest.mark.parametrize(
    "method",
    [
        ScoreAndFlow("entropic", "brownian_bridge", 0.3),
        DSBM(sigma=0.3, iterations=2, draws=2, sde_steps=20),
        OTInterpolation(),
    ],
    ids=["sf2m", "dsbm", "interpolation"],
)
def test_methods_of_two_marginals_see_the_neighbours_of_the_time_left_out(method: Method, tmp_path: Path) -> None:
    data = _snapshots()
    seen = method.view(data)
    assert seen.span == (0.0, 0.5)
    np.testing.assert_array_equal(seen.target("train"), data.arrays["train_2"])
    moved = _carried(method, data, tmp_path, dataclasses.replace(SETTINGS, steps=800))
    np.testing.assert_allclose(moved.mean(axis=0), MEANS[2], atol=0.2)


def test_likelihood_of_snapshots_is_the_closed_form() -> None:
    """Along dx/dt = a x from N(0, I) at t = -1 the points at t are N(0, e^{2 a (t + 1)} I)."""

    class _Growth:
        dim = 2

        def value_and_jacobian(self, t: Tensor, x: Tensor, directions: None) -> tuple[Tensor, Tensor]:
            eye = torch.eye(2, dtype=x.dtype)[None, :, None, :]
            return 0.4 * x, 0.4 * eye.expand(1, -1, x.shape[1], -1)

    rng, times = np.random.default_rng(0), (0.0, 1.0, 3.0)
    snapshots = [(t, torch.from_numpy(rng.standard_normal((20 + int(t), 2)))) for t in times]
    back = pull_back_snapshots(_Growth(), snapshots, -1.0, 1e-9, "squared_frobenius")  # type: ignore[arg-type]
    parts = [
        multivariate_normal(np.zeros(2), np.exp(0.8 * (t + 1)) * np.eye(2)).logpdf(x.numpy())
        for t, x in reversed(snapshots)
    ]
    np.testing.assert_allclose(back.log_likelihood().numpy(), np.concatenate(parts), atol=1e-6)
    lengths = np.concatenate([np.full(len(x), t + 1) for t, x in reversed(snapshots)])
    np.testing.assert_allclose(back.jacobian.numpy(), 2 * 0.4**2 * lengths, rtol=1e-6)


def test_a_normalising_flow_learns_a_time_course(tmp_path: Path) -> None:
    settings = dataclasses.replace(SETTINGS, batch_size=32, steps=120, validate_every=40)
    moved = _carried(CNF(1e-3, "tanh", kinetic=0.01), _snapshots(), tmp_path, settings)
    still = _carried(Identity(), _snapshots(), tmp_path)
    target = _snapshots().target("test")
    assert wasserstein_power(moved, target, 1) < 0.6 * wasserstein_power(still, target, 1)


def test_split_halves_are_disjoint_and_measured_against_each_other() -> None:
    data = _snapshots()
    start = Start(data.evaluation_source(0, "test"), None, stream(0, "sample"), data)
    halves = SplitHalf().sample(None, start, EULER)
    assert halves.target is not None
    together = np.concatenate([halves.x[-1], halves.target])
    np.testing.assert_array_equal(np.unique(together, axis=0), np.unique(data.target("test"), axis=0))


def test_distances_of_samples_of_unequal_size() -> None:
    """A shift by s: W1 = |s| and W2^2 = |s|^2, whatever the numbers of copies; the plan has both marginals."""
    rng = np.random.default_rng(1)
    x, shift = rng.standard_normal((30, 3)), np.array([3.0, 4.0, 0.0])
    y = np.repeat(x + shift, 2, axis=0)
    assert wasserstein_power(x, y, 1) == pytest.approx(5.0)
    assert wasserstein_power(x, y, 2) == pytest.approx(25.0)
    plan, _ = transport_plan(x, y, 2)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 30)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 60)
