"""The learning curve: when W2 is measured, what it is, and that measuring changes no training."""

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cfm.artifacts.training_log import Row
from cfm.datasets.base import Prepared
from cfm.methods.flow_matching import FlowMatching
from cfm.methods.icnn import ICNN
from cfm.metrics.frechet import frechet_distance, of_classifier
from cfm.nets.classifier import Classifier
from cfm.nets.kept import as_arrays
from cfm.nets.wrapped import drawn
from cfm.rng import stream
from cfm.settings import Training
from cfm.training.learning_curve import due, mean_w2, validation_distances
from cfm.training.trainer import Trainer

SETTINGS = Training(16, 2, batch_size=64, steps=90, learning_rate=1e-2, weight_decay=0.0, validate_every=10)


def _data() -> Prepared:
    draw = {s: 3 + 0.5 * stream(0, s).standard_normal((500, 2)) for s in ("train", "val", "test")}
    return Prepared({f"{s}_1": x.astype(np.float32) for s, x in draw.items()}, dim=2, gaussian_source=True)


def test_checks_are_at_powers_of_two_and_at_the_end() -> None:
    assert [step for step in range(1, 91) if due(step, 10, 90)] == [10, 20, 40, 80, 90]


@pytest.mark.parametrize("method", [FlowMatching("exact", "linear", 0.1), ICNN(penalty=0.1, g_steps=2)])
def test_w2_is_noted_at_its_checks_and_falls(method: FlowMatching | ICNN, tmp_path: Path) -> None:
    trainer = Trainer(method, _data(), SETTINGS, [1, 2], torch.device("cpu"), tmp_path / "state")
    trainer.run(lambda *_: None)
    for place, seed in enumerate(trainer.seeds):
        noted = {row.step: row.val_w2 for row in trainer.history.rows[place] if row.val_w2 is not None}
        assert list(noted) == [10, 20, 40, 80, 90]
        assert noted[90] == validation_distances(method, trainer._alone(place), _data(), seed).w2
        assert noted[90] < noted[10]


def test_a_field_that_stays_measures_the_distance_of_the_data(tmp_path: Path) -> None:
    trainer = Trainer(FlowMatching("exact", "linear", 0.1), _data(), SETTINGS, [1], torch.device("cpu"), tmp_path / "s")
    with torch.no_grad():
        trainer.net.theta.zero_()
    found = validation_distances(trainer.method, trainer.net, _data(), 1).w2
    # From N(0, I) to N((3, 3), I / 4): W2^2 = 18 + 2 (1 - 1/2)^2.
    assert found == pytest.approx(18.5**0.5, rel=0.03)


def test_pictures_have_a_frechet_distance_too(tmp_path: Path) -> None:
    """Of a field that stays: between the sources and the targets, in the features of the data's classifier."""
    draw = {s: stream(0, s).uniform(-1, 1, (60, 64)).astype(np.float32) for s in ("train", "val", "test")}
    weights = as_arrays(drawn(functools.partial(Classifier, 64, 2), 0), "classifier.")
    data = Prepared({f"{s}_1": x for s, x in draw.items()} | weights, dim=64, gaussian_source=True)
    settings = replace(SETTINGS, batch_size=16, steps=4, validate_every=2)
    trainer = Trainer(FlowMatching("exact", "linear", 0.1), data, settings, [1], torch.device("cpu"), tmp_path / "s")
    trainer.run(lambda *_: None)
    assert [row.val_frechet is not None for row in trainer.history.rows[0]] == [True, True]
    with torch.no_grad():
        trainer.net.theta.zero_()
    found = validation_distances(trainer.method, trainer.net, data, 1).frechet
    features = of_classifier(data.arrays, data.source("val", 1), data.target("val"))
    assert features is not None
    assert found == pytest.approx(frechet_distance(*features), rel=1e-4)


def test_the_curve_in_one_number() -> None:
    rows = [Row(k, 0.0, 0.0, 0.0, 0.0, 0.0, w2) for k, w2 in enumerate((4.0, None, 2.0))]
    assert mean_w2(rows) == 3.0 and mean_w2(rows[1:2]) is None
