"""The Frechet distance against its closed form, and what the classifier of a data set sees."""

import numpy as np
import pytest
import torch

from cfm.metrics.base import Evaluation
from cfm.metrics.frechet import METRICS, frechet_distance
from cfm.nets.classifier import FEATURES, Classifier, predicted, prepared, stored
from cfm.pictures import from_bytes
from cfm.rng import stream


def _exactly(mean: np.ndarray, root: np.ndarray, n: int = 500) -> np.ndarray:
    """Points whose sample mean and covariance are these to rounding: mean and root root^T."""
    x = stream(3, "frechet").standard_normal((n, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ root.T + mean


def test_the_distance_between_normal_distributions_is_the_closed_form() -> None:
    """Of commuting covariances: |m - m'|^2 + sum (s - s')^2."""
    turn = np.linalg.qr(stream(1, "turn").standard_normal((4, 4)))[0]
    s, other = np.array([1.0, 2, 0.5, 3]), np.array([2.0, 1, 0.5, 0.1])
    m, shifted = np.zeros(4), np.array([1.0, -1, 0, 2])
    found = frechet_distance(_exactly(m, turn @ np.diag(s)), _exactly(shifted, turn @ np.diag(other)))
    assert found == pytest.approx(6 + ((s - other) ** 2).sum(), rel=1e-9)


def test_the_distance_agrees_with_torchmetrics() -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Same(torch.nn.Module):
        num_features = 3

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    a, b = (stream(k, "f").standard_normal((200, 3)) @ np.diag([1, 2, k + 1.0]) + k for k in (0, 1))
    judge = FrechetInceptionDistance(feature=Same(), normalize=True).set_dtype(torch.float64)
    judge.update(torch.from_numpy(a), real=True)
    judge.update(torch.from_numpy(b), real=False)
    assert frechet_distance(a, b) == pytest.approx(float(judge.compute()), rel=1e-6)


def _blobs(n: int, name: str) -> dict[str, np.ndarray]:
    """Pictures of 8 x 8 bytes with a bright quarter, whose place is the class."""
    rng = stream(0, name)
    labels = rng.integers(4, size=n)
    pictures = rng.integers(60, size=(n, 8, 8))
    for k, label in enumerate(labels):
        row, column = 4 * (label // 2), 4 * (label % 2)
        pictures[k, row : row + 4, column : column + 4] += 150
    return {"1": pictures.astype(np.uint8).reshape(n, 64), "label": labels[:, None].astype(np.float32)}


def _known() -> dict[str, np.ndarray]:
    arrays = {f"{split}_{k}": x for split in ("train", "test") for k, x in _blobs(200, split).items()}
    return prepared(arrays, classes=4, passes=4)


def _evaluation(x1: np.ndarray, target: np.ndarray, known: dict, stored: dict) -> Evaluation:
    return Evaluation(x1, x1, target, None, 1, 0.0, None, None, None, None, known, stored)


def test_the_classifier_learns_is_stored_and_tells_wrong_classes() -> None:
    known, blobs = _known(), _blobs(100, "new")
    assert known["classifier_accuracy"] > 0.97
    net = stored(known, 64)
    assert net is not None
    points = from_bytes(blobs["1"])
    assert (predicted(net, points) == blobs["label"][:, 0]).mean() > 0.97
    right = _evaluation(points, points, known, {"label": blobs["label"]})
    wrong = _evaluation(points, points, known, {"label": (blobs["label"] + 1) % 4})
    accuracy, distance = METRICS["class_accuracy"].compute, METRICS["frechet_classifier"].compute
    assert accuracy is not None and distance is not None
    assert accuracy(right) > 0.97 and accuracy(wrong) < 0.03  # type: ignore[operator]
    assert accuracy(_evaluation(points, points, known, {})) is None
    assert distance(right) == pytest.approx(0, abs=1e-3)
    noise = stream(2, "noise").standard_normal(points.shape).astype(np.float32)
    assert distance(_evaluation(noise, points, known, {})) > 1  # type: ignore[operator]
    assert distance(_evaluation(points, points, {}, {})) is None


def test_pictures_with_their_classes_help_a_classifier_that_has_seen_few() -> None:
    gain = METRICS["augmentation_gain"].compute
    assert gain is not None
    arrays = {f"test_{k}": x for k, x in _blobs(200, "test").items()}
    arrays |= {f"train_{k}": x[:8] for k, x in _blobs(200, "train").items()}
    known = arrays | prepared(arrays, classes=4, passes=4)
    known |= {f"{split}_1": from_bytes(arrays[f"{split}_1"]) for split in ("train", "test")}
    more = _blobs(200, "more")
    helped = _evaluation(from_bytes(more["1"]), known["test_1"], known, {"label": more["label"]})
    assert known["classifier_accuracy"] < 0.8
    assert gain(helped) == pytest.approx(1 - known["classifier_accuracy"], abs=0.05)
    assert gain(_evaluation(helped.x1, helped.target, known, {})) is None


def test_the_same_classifier_comes_of_the_same_pictures() -> None:
    first, second = _known(), _known()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert Classifier(64, 4).features(torch.zeros(2, 64)).shape == (2, FEATURES)


def test_the_kernel_distance_is_the_double_loop_and_unbiased() -> None:
    from cfm.metrics.photographs import polynomial_mmd

    rng = stream(0, "kid")
    f, g = rng.standard_normal((7, 3)), rng.standard_normal((5, 3)) + 1

    def mean(a: np.ndarray, b: np.ndarray, same: bool) -> float:
        pairs = [(x @ y / 3 + 1) ** 3 for i, x in enumerate(a) for j, y in enumerate(b) if not same or i != j]
        return float(np.mean(pairs))

    assert polynomial_mmd(f, g) == pytest.approx(mean(f, f, True) + mean(g, g, True) - 2 * mean(f, g, False))
    several = [polynomial_mmd(*stream(k, "kid").standard_normal((2, 50, 3))) for k in range(200)]
    assert abs(np.mean(several)) < 4 * np.std(several) / np.sqrt(len(several))


def test_photographs_are_judged_by_a_network_that_knows_photographs() -> None:
    """Smooth pictures are nearer to other smooth ones than noise is; grey pictures are not its business."""
    from cfm.metrics.photographs import METRICS as OF_PHOTOGRAPHS

    def smooth(name: str) -> np.ndarray:
        corners = stream(0, name).uniform(-1, 1, (40, 3, 4, 4)).astype(np.float32)
        grown = torch.nn.functional.interpolate(torch.from_numpy(corners), size=32, mode="bilinear")
        return grown.numpy().reshape(40, -1)

    distance = OF_PHOTOGRAPHS["kid_efficientnet_lite0"].compute
    assert distance is not None
    noise = stream(0, "noise").uniform(-1, 1, (40, 3072)).astype(np.float32)
    near = distance(_evaluation(smooth("a"), smooth("b"), {}, {}))
    far = distance(_evaluation(noise, smooth("b"), {}, {}))
    assert near is not None and far is not None and near < 0.1 * far
    assert distance(_evaluation(noise[:, :784], noise[:, :784], {}, {})) is None


def test_without_its_network_there_is_no_fid(capsys: pytest.CaptureFixture[str]) -> None:
    from cfm.metrics.photographs import fid

    noise = np.zeros((2, 3072), dtype=np.float32)
    if fid(_evaluation(noise, noise, {}, {})) is None:
        assert "note: no FID: " in capsys.readouterr().err
