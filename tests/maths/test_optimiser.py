"""Moving average, clipping and warm-up against closed forms and PyTorch; all of it resumed to the bit."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from cfm.datasets.base import Prepared
from cfm.methods.flow_matching import FlowMatching
from cfm.nets.mlp import StackedMLP
from cfm.pictures import from_bytes
from cfm.rng import stream
from cfm.settings import Training, UNetSettings
from cfm.training.data_parallel import Share
from cfm.training.optimiser import Optimiser
from cfm.training.trainer import Trainer

CPU = torch.device("cpu")
SETTINGS = Training(width=8, depth=1, batch_size=8, steps=10, learning_rate=0.01, weight_decay=0.0, validate_every=2)


def _net() -> StackedMLP:
    net = StackedMLP(2, 2, 8, 1)
    net.initialise([1, 2])
    return net


def _loss(net: StackedMLP, scale: float = 1.0) -> torch.Tensor:
    return scale * net(torch.full((2, 5, 1), 0.5), torch.ones(2, 5, 2)).square().sum(dim=(1, 2))


def _optimiser(net: StackedMLP, **changed: object) -> Optimiser:
    return Optimiser(net, dataclasses.replace(SETTINGS, **changed), Share())  # type: ignore[arg-type]


def test_the_average_is_the_weighted_sum_of_all_steps() -> None:
    """a_n = d^n theta_0 + (1 - d) sum_k d^(n - k) theta_k."""
    net, decay, steps = _net(), 0.8, 6
    optimiser = _optimiser(net, ema_decay=decay)
    thetas = [net.theta.detach().clone()]
    for step in range(steps):
        optimiser.step(_loss(net), step)
        thetas.append(net.theta.detach().clone())
    expected = decay**steps * thetas[0]
    for k in range(1, steps + 1):
        expected = expected + (1 - decay) * decay ** (steps - k) * thetas[k]
    assert optimiser.average is not None
    torch.testing.assert_close(optimiser.average[""], expected)
    with optimiser.looked_at():
        torch.testing.assert_close(net.theta.detach(), expected)
    assert torch.equal(net.theta.detach(), thetas[-1])


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_every_seeds_gradient_is_clipped_as_pytorch_does_it_for_one_network(scale: float) -> None:
    net = _net()
    _optimiser(net, max_grad_norm=1.0).step(_loss(net, scale), 0)
    assert net.theta.grad is not None
    for place in range(2):
        alone = _net()
        _loss(alone, scale)[place].backward()
        assert alone.theta.grad is not None
        row = torch.nn.Parameter(alone.theta.detach()[place])
        row.grad = alone.theta.grad[place]
        torch.nn.utils.clip_grad_norm_([row], 1.0)
        torch.testing.assert_close(net.theta.grad[place], row.grad)


def test_the_learning_rate_grows_from_zero() -> None:
    net = _net()
    optimiser = _optimiser(net, warmup=4)
    moved = []
    for step in range(6):
        before = net.theta.detach().clone()
        optimiser.step(_loss(net), step)
        moved.append(float((net.theta.detach() - before).abs().max()))
    assert moved[0] == 0
    assert optimiser.adam.param_groups[0]["lr"] == SETTINGS.learning_rate
    assert moved[1] < moved[2] < moved[3] < 1.1 * SETTINGS.learning_rate


def _pictures() -> Prepared:
    rng = stream(0, "pictures")
    arrays: dict[str, np.ndarray] = {}
    for split, n in (("train", 40), ("val", 10), ("test", 10)):
        arrays[f"{split}_1"] = from_bytes(rng.integers(256, size=(n, 64), dtype=np.uint8))
        arrays[f"{split}_label"] = rng.integers(3, size=(n, 1)).astype(np.float32)
    return Prepared(arrays, 64, True)


IMAGES = Training(
    width=8,
    depth=1,
    batch_size=8,
    steps=6,
    learning_rate=1e-3,
    weight_decay=0.0,
    validate_every=2,
    checkpoint="average",
    ema_decay=0.9,
    warmup=3,
    max_grad_norm=1.0,
    random_flip=True,
    unet=UNetSettings((1, 2), (4,), 8, dropout=0.3),
)


def test_the_papers_settings_for_cifar10_train_a_small_network(tmp_path: Path) -> None:
    """All of them but the sizes: warm-up, clipping, average, flips, dropout, attention; two steps of 32 x 32 pixels."""
    from cfm import config

    settings = config.load("paper").whole().training("cifar10", "otcfm_pictures")
    assert settings is not None and (settings.ema_decay, settings.max_grad_norm, settings.warmup) == (0.9999, 1.0, 5000)
    assert settings.unet is not None
    plain = dataclasses.replace(
        settings.unet, fast=False
    )  # compiling takes minutes; tests/maths/test_pictures.py has it
    small = dataclasses.replace(settings, width=8, depth=1, batch_size=4, steps=2, validate_every=2, unet=plain)
    arrays = {
        f"{split}_1": from_bytes(stream(0, split).integers(256, size=(8, 3072), dtype=np.uint8))
        for split in ("train", "val")
    }
    trainer = Trainer(
        FlowMatching("exact", "linear", 0.0), Prepared(arrays, 3072, True), small, [42], CPU, tmp_path / "state"
    )
    start = trainer.layers(0, "last")
    trainer.run(lambda *_: None)
    last, average = trainer.layers(0, "last"), trainer.layers(0, "average")
    assert any(not torch.equal(start[name], last[name]) for name in start)  # the second step has a length
    for name in start:
        torch.testing.assert_close(average[name], start[name] + 1e-4 * (last[name] - start[name]), atol=1e-7, rtol=0)
    assert np.isfinite(trainer.history.rows[0][-1].val_loss)


def test_a_training_of_pictures_goes_on_to_the_bit(tmp_path: Path) -> None:
    """Dropout, flips, warm-up, average: two steps, a new process's trainer, and the rest, as if nothing had been."""
    method = FlowMatching("exact", "linear", 0.0, classes=3)

    def trainer(state: str) -> Trainer:
        return Trainer(method, _pictures(), IMAGES, [7], CPU, tmp_path / state)

    def stop(step: int, steps: int, text: str) -> None:
        if step == 2:
            raise KeyboardInterrupt

    whole = trainer("whole")
    whole.run(lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        trainer("cut").run(stop)
    torch.rand(5)  # whatever else draws from PyTorch's own generator
    resumed = trainer("cut")
    assert resumed.step == 2
    resumed.run(lambda *_: None)
    for which in ("last", "average", "best"):
        ours, theirs = resumed.layers(0, which), whole.layers(0, which)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert any(not torch.equal(whole.layers(0, "last")[k], x) for k, x in whole.layers(0, "average").items())
    assert [row.val_loss for row in resumed.history.rows[0]] == [row.val_loss for row in whole.history.rows[0]]
