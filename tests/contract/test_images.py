"""Files of pictures: each reader on small files of the publishers' layout, and what goes wrong with them."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from cfm.artifacts.data import load
from cfm.datasets.images import Images
from cfm.datasets.reading import image_archives as image_files
from cfm.datasets.reading.image_archives import ARCHIVES
from cfm.errors import UserError
from cfm.rng import stream
from cfm.settings import Sizes
from cfm.stages.data import prepare

SIZES = Sizes(train=30, val=5, test=10, test_large=0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty CFM_DATA and an empty cache."""
    monkeypatch.setenv("CFM_DATA", str(tmp_path / "given"))
    monkeypatch.setenv("CFM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "given/mnist").mkdir(parents=True)
    return tmp_path / "given"


def _mnist(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Four files in MNIST's layout, with checksums that fit."""
    rng, made, sums = stream(0, "mnist"), {}, {}
    for part, n in (("train", 40), ("t10k", 20)):
        pictures, labels = rng.integers(256, size=(n, 28, 28)), rng.integers(10, size=n)
        for name, array, header in ((f"{part}-images-idx3", pictures, 16), (f"{part}-labels-idx1", labels, 8)):
            content = bytes(header) + array.astype(np.uint8).tobytes()
            (folder / f"mnist/{name}-ubyte.gz").write_bytes(gzip.compress(content))
            made[name], sums[f"{name}-ubyte"] = array, hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(image_files, "_MNIST_SHA256", sums)
    return made


def test_mnist_is_read_from_its_four_files(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = _mnist(folder, monkeypatch)
    prepare(Images("mnist"), SIZES, tmp_path / "data.npz")
    with np.load(tmp_path / "data.npz") as stored:
        assert stored["train_1"].dtype == np.uint8 and "test_large_1" not in stored
    data = load(tmp_path / "data.npz")
    assert data.dim == 784 and data.from_noise
    assert {name: len(data.target(name)) for name in ("train", "val", "test")} == {"train": 30, "val": 5, "test": 10}
    expected = made["t10k-images-idx3"][:10].reshape(10, -1) / 127.5 - 1
    np.testing.assert_allclose(data.target("test"), expected, atol=1e-6)
    np.testing.assert_array_equal(data.arrays["val_label"][:, 0], made["t10k-labels-idx1"][-5:])


def test_a_wrong_or_cut_file_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _mnist(folder, monkeypatch)
    path = folder / "mnist/train-labels-idx1-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(UserError, match=r"train-labels.*not a whole gzip file"):
        prepare(Images("mnist"), SIZES, tmp_path / "data.npz")
    path.write_bytes(gzip.compress(gzip.decompress(whole)[:-1] + b"x"))
    with pytest.raises(UserError, match=r"train-labels.*another or a damaged file"):
        prepare(Images("mnist"), SIZES, tmp_path / "data.npz")
    path.unlink()
    reason = Images("mnist").unavailable_reason()
    assert reason is not None and "train-labels-idx1-ubyte.gz" in reason and "python -m cfm fetch" in reason
    assert not (tmp_path / "data.npz").exists()


def _cifar10(path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """The archive for C programs with eight records in each file."""
    made = {name: stream(0, name).integers(256, size=(8, 3073)).astype(np.uint8) for name in names}
    with tarfile.open(path, "w:gz") as archive:
        for name, records in made.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = records.nbytes
            archive.addfile(info, io.BytesIO(records.tobytes()))
    monkeypatch.setattr(image_files, "_CIFAR10_MD5", hashlib.md5(path.read_bytes()).hexdigest())
    return made


NAMES = [*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]


def test_cifar10_is_read_from_the_archive_without_pickles(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "cifar-10-binary.tar.gz"
    made = _cifar10(path, NAMES, monkeypatch)
    train, test = ARCHIVES["cifar10"].read([path])
    assert train.pictures.shape == (40, 3, 32, 32) and test.pictures.shape == (8, 3, 32, 32)
    np.testing.assert_array_equal(train.labels[8:16], made["data_batch_2.bin"][:, 0])
    np.testing.assert_array_equal(test.pictures[3].ravel(), made["test_batch.bin"][3, 1:])


def test_another_archive_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "cifar-10-binary.tar.gz"
    _cifar10(path, NAMES[:3], monkeypatch)
    with pytest.raises(UserError, match=r"no 'data_batch_4.bin' in it"):
        ARCHIVES["cifar10"].read([path])
    monkeypatch.setattr(image_files, "_CIFAR10_MD5", "0" * 32)
    with pytest.raises(UserError, match="another or a damaged file"):
        ARCHIVES["cifar10"].read([path])


def test_compressed_cifar10_is_cut_after_the_training_pictures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole, real file has 60,000; how JPEG files are put together is tested with the attributes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.full((32, 32, 3), 90, dtype=np.uint8)).save(buffer, "JPEG", quality=90)
    whole, n = np.frombuffer(buffer.getvalue(), dtype=np.uint8), 50_002
    path = folder / "jpegs.npz"
    labels = np.arange(n) % 10
    np.savez(
        path,
        jpeg_header=whole[:100],
        jpeg_tail=np.tile(whole[100:], n),
        tail_sizes=np.full(n, len(whole) - 100),
        labels=labels,
    )
    train, test = ARCHIVES["cifar10_jpeg75"].read([path])
    assert train.pictures.shape == (50_000, 3, 32, 32) and test.labels.tolist() == [0, 1]
    np.testing.assert_allclose(test.pictures, 90, atol=3)


def test_digits_come_with_scikit_learn_and_teach_a_classifier(tmp_path: Path) -> None:
    dataset = Images("digits", classifier=10)
    assert dataset.unavailable_reason() is None and dataset.dim == 64 and dataset.class_count == 10
    prepare(dataset, Sizes(1000, 50, 300, 200), tmp_path / "data.npz")
    data = load(tmp_path / "data.npz")
    assert data.arrays["classifier_accuracy"] > 0.9
    np.testing.assert_array_equal(data.target("test_large"), data.target("train")[:200])
    train = {row.tobytes() for row in data.target("train")}
    assert not any(row.tobytes() in train for row in data.target("test"))
    drawn = dataset.draw_target(400, stream(0, "draw"))
    assert drawn.shape == (400, 64) and -1 <= drawn.min() < drawn.max() <= 1


@pytest.mark.parametrize(("sizes", "what"), [(Sizes(1300, 1, 1, 0), "train"), (Sizes(10, 300, 300, 0), "test")])
def test_more_pictures_than_there_are_is_one_line(sizes: Sizes, what: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"sizes: {what}.*digits has"):
        prepare(Images("digits"), sizes, tmp_path / "data.npz")
