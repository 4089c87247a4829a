"""The example on one screen is the project's OT-CFM: the same losses on the same batches, to float32 rounding."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from cfm.datasets.base import Prepared
from cfm.datasets.toy2d import Toy2d
from cfm.methods.flow_matching import FlowMatching
from cfm.settings import Sizes, Training
from cfm.training.batches import PairSampler, training_pairs
from cfm.training.trainer import Trainer

FILE = Path("examples/otcfm.py")
SIGMA = 0.1
# A check after every step, so that each row of the history has the loss of one.
SETTINGS = Training(width=32, depth=2, batch_size=64, steps=20, learning_rate=1e-2, weight_decay=1e-2, validate_every=1)


@pytest.fixture
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("otcfm", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _plain(trainer: Trainer, place: int) -> nn.Module:
    """The network of one seed made of PyTorch's own layers, which keep weights as (out, fan in)."""
    net = nn.Sequential(nn.Linear(3, 32), nn.SELU(), nn.Linear(32, 32), nn.SELU(), nn.Linear(32, 2))
    layers = trainer.net.layers()
    with torch.no_grad():
        for plain, stacked in zip(net.parameters(), layers, strict=True):
            plain.copy_(stacked[place].T.reshape(plain.shape))
    return net


def test_its_losses_are_those_of_the_stacked_step(example: ModuleType, tmp_path: Path) -> None:
    dataset = Toy2d("gaussian", "8gaussians")
    data = Prepared(dataset.prepare(Sizes(1000, 64, 64, 64)), dim=2, gaussian_source=True)
    trainer = Trainer(
        FlowMatching("exact", "linear", SIGMA), data, SETTINGS, [1, 2], torch.device("cpu"), tmp_path / "state"
    )
    nets = [_plain(trainer, place) for place in (0, 1)]
    trainer.run(lambda *_: None)
    as_they_come = PairSampler.of(FlowMatching("independent", "linear", SIGMA), data, SETTINGS.batch_size)
    for place, seed in enumerate((1, 2)):
        optimiser = torch.optim.AdamW(
            nets[place].parameters(), lr=SETTINGS.learning_rate, weight_decay=SETTINGS.weight_decay
        )
        losses = []
        for step in range(SETTINGS.steps):
            pairs = training_pairs(as_they_come, seed, step)
            batch = map(torch.from_numpy, (pairs.x0, pairs.x1, pairs.t, pairs.eps))
            losses.append(example.step(nets[place], optimiser, *batch, SIGMA))
        expected = [row.train_loss for row in trainer.history.rows[place]]
        np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_it_is_short_and_learns(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    text = FILE.read_text()
    assert len(text.splitlines()) < 60 and "cfm" not in re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)
    example.main(steps=200)
    found = re.search(r"W2 to the target: (\S+) of the source, (\S+) of the samples", capsys.readouterr().out)
    assert found and float(found[2]) < 0.5 * float(found[1])
