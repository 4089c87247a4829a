"""Coupling of labelled points: within classes it leaves each class its normal source, across them it does not."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cfm.datasets.base import Prepared
from cfm.methods.base import Start
from cfm.methods.flow_matching import FlowMatching
from cfm.rng import stream
from cfm.settings import Solver, Training
from cfm.training.batches import PairSampler, training_pairs
from cfm.training.trainer import Trainer, stack

WITHIN = FlowMatching("exact", "linear", 0.0, classes=3)
ACROSS = FlowMatching("exact", "linear", 0.0, classes=3, across_classes=True)


def _data(n: int = 600) -> Prepared:
    """Three blobs along a line; the share of class k is (k + 1) / 6."""
    arrays = {}
    for split in ("train", "val", "test"):
        rng = stream(0, split)
        labels = np.repeat([0, 1, 1, 2, 2, 2], n // 6)
        points = 0.1 * rng.standard_normal((n, 2))
        points[:, 0] += 4.0 * (labels - 1)
        order = rng.permutation(n)
        arrays[f"{split}_1"] = points[order].astype(np.float32)
        arrays[f"{split}_label"] = labels[order, None].astype(np.float32)
    return Prepared(arrays, 2, True)


@pytest.mark.parametrize("method", [WITHIN, ACROSS])
def test_pairs_keep_the_labels_of_their_targets(method: FlowMatching) -> None:
    """Over a pass through the data every point is used once, with its own label."""
    data = _data()
    sampler = PairSampler.of(method, data, 100)
    pairs = [training_pairs(sampler, 1, step) for step in range(6)]
    x1, labels = (np.concatenate([getattr(p, name) for p in pairs]) for name in ("x1", "label"))
    np.testing.assert_array_equal(np.round(x1[:, 0] / 4) + 1, labels[:, 0])
    assert np.unique(labels, return_counts=True)[1].tolist() == [100, 200, 300]
    np.testing.assert_array_equal(np.sort(x1[:, 1]), np.sort(data.target("train")[:, 1]))


def _source_means(method: FlowMatching) -> np.ndarray:
    """Mean first coordinate of the sources that are paired with each class."""
    sampler = PairSampler.of(method, _data(), 60)
    pairs = [training_pairs(sampler, 2, step) for step in range(100)]
    x0, labels = (np.concatenate([getattr(p, name) for p in pairs]) for name in ("x0", "label"))
    return np.array([x0[labels[:, 0] == k, 0].mean() for k in range(3)])


def test_within_classes_every_class_has_a_normal_source_and_across_them_its_own_part_of_it() -> None:
    assert abs(_source_means(WITHIN)).max() < 0.1  # 1,000 points and more: five standard errors
    across = _source_means(ACROSS)
    assert across[0] < -1 and across[2] > 0.5


def test_within_a_class_the_coupling_is_optimal() -> None:
    """Of points on a line the order is kept."""
    pairs = training_pairs(PairSampler.of(WITHIN, _data(), 60), 3, 0)
    for k in range(3):
        rows = pairs.label[:, 0] == k  # type: ignore[index]
        x0, x1 = pairs.x0[rows], pairs.x1[rows]
        cost = ((x0 - x1) ** 2).sum()
        for shift in range(1, rows.sum()):
            assert cost <= ((x0 - np.roll(x1, shift, axis=0)) ** 2).sum()


def test_points_without_labels_are_refused_by_methods_that_are_told_them() -> None:
    from cfm import config

    datasets = config.load("paper").datasets
    assert WITHIN.skip_reason(datasets["gaussian_moons"].dataset) == "needs points of 3 classes"
    told = FlowMatching("exact", "linear", 0.0, classes=10)
    assert told.skip_reason(datasets["mnist"].dataset) is None


class _Told(torch.nn.Module):
    """A field that carries every point by its label along the first axis."""

    def forward(self, t: torch.Tensor, x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return torch.cat([label, 0 * label], dim=-1)


@pytest.mark.parametrize("batch", [None, 4, 100])
def test_samplers_carry_every_point_to_its_own_class(batch: int | None) -> None:
    x0 = stream(0, "x0").standard_normal((10, 2)).astype(np.float32)
    labels = np.arange(10, dtype=np.float32)[:, None]
    start = Start(x0, None, stream(0, "s"), labels=labels)
    path = WITHIN.sample(_Told(), start, Solver("euler", steps=4, batch=batch))
    np.testing.assert_allclose(path.x[-1], x0 + np.hstack([labels, 0 * labels]), atol=1e-5)
    assert path.nfe == 4


def test_solving_in_batches_gives_the_same_ends_and_energies() -> None:
    class Field(torch.nn.Module):
        def forward(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return -x * (1 + t)

    method = FlowMatching("independent", "linear", 0.0)
    start = Start(stream(0, "x0").standard_normal((50, 2)).astype(np.float32), None, stream(0, "s"))
    whole = method.sample(Field(), start, Solver("euler", steps=10))
    parts = method.sample(Field(), start, Solver("euler", steps=10, batch=16))
    assert parts.x.shape == (2, 50, 2)
    np.testing.assert_allclose(parts.x[-1], whole.x[-1], rtol=1e-6)
    np.testing.assert_allclose(parts.energy, whole.energy, rtol=1e-5)


def test_a_failed_seeds_blank_pairs_have_labels_too(tmp_path: Path) -> None:
    sampler = PairSampler.of(WITHIN, _data(), 60)
    batch = stack([training_pairs(sampler, 1, 0), sampler.blank("train", (2,))], torch.device("cpu"))
    assert batch.label is not None and batch.label.shape == (2, 60, 1)


def test_perceptrons_are_not_told_classes(tmp_path: Path) -> None:
    """Only the U-Net has an embedding for them; a configuration that asks for more says so before training."""
    settings = Training(8, 1, 60, 2, 1e-3, 0.0, 1)
    with pytest.raises(Exception, match="U-Net"):
        Trainer(WITHIN, _data(), settings, [1], torch.device("cpu"), tmp_path / "state")
