"""Pictures with attributes: how files are read, what is said of wrong ones, and that a VAE is made once for all."""

import dataclasses
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cfm.config.entries import by_name, load_datasets
from cfm.datasets import attributes
from cfm.datasets.attributes import Attributes
from cfm.datasets.reading import latents
from cfm.datasets.reading.attribute_files import read_attribute, read_pictures
from cfm.errors import UserError
from cfm.files import locked
from cfm.nets.attribute_classifier import fitted, has_attribute
from cfm.nets.autoencoder import decode
from cfm.rng import stream

N, TRAIN = 100, 70
NAMES = ["Bald", "Young"]
SETTINGS: dict[str, Any] = {
    **{"side": 8, "latent": 3, "width": 2, "beta": 0.02},
    **{"epochs": 1, "batch_size": 8, "learning_rate": 0.001},
}
GREY = Attributes("faces.npz", "labels", **SETTINGS)
CELEBA = Attributes("img_align_celeba.zip", "Bald", **SETTINGS, table="list_attr_celeba.txt")


def _jpeg(colour: Any, size: tuple[int, int], mode: str) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Grey faces in one npz, those with odd numbers smiling, picture k of grey level 2 k; and CelebA's two files."""
    monkeypatch.setenv("CFM_DATA", str(tmp_path))
    monkeypatch.setenv("CFM_CACHE", str(tmp_path / "cache"))
    files = [_jpeg(2 * k, (16, 16), "L") for k in range(N)]
    _write_npz(tmp_path / "faces.npz", files, np.arange(N) % 2)
    rows = [f"{k:06d}.jpg {1 if k % 3 == 0 else -1:2d} {1 if k % 2 else -1:2d}" for k in range(1, N + 1)]
    (tmp_path / "list_attr_celeba.txt").write_text("\n".join([str(N), "Bald Young ", *rows]) + "\n")
    with zipfile.ZipFile(tmp_path / "img_align_celeba.zip", "w") as archive:
        for k in reversed(range(1, N + 1)):  # the order in the archive does not matter
            archive.writestr(f"img_align_celeba/{k:06d}.jpg", _jpeg((2 * k, 0, 0), (18, 22), "RGB"))
    return tmp_path


def _write_npz(path: Path, files: list[bytes], labels: np.ndarray) -> None:
    head = files[0][:20]
    assert all(file.startswith(head) for file in files)
    tails = [np.frombuffer(file[len(head) :], np.uint8) for file in files]
    sizes = np.array([len(tail) for tail in tails], np.int32)
    header = np.frombuffer(head, np.uint8)
    np.savez(path, jpeg_header=header, jpeg_tail=np.concatenate(tails), tail_sizes=sizes, labels=labels)


def test_grey_pictures_are_read_by_their_rows(folder: Path) -> None:
    pictures = read_pictures(folder / "faces.npz", None, 8, np.array([30, 0, 7]))
    assert pictures.shape == (3, 1, 8, 8) and pictures.dtype == np.uint8
    assert pictures.mean(axis=(1, 2, 3)) == pytest.approx([60, 0, 14], abs=2)
    assert read_attribute(folder / "faces.npz", None, "labels").tolist() == [bool(k % 2) for k in range(N)]


def test_celebas_pictures_are_joined_with_its_table_by_their_names(folder: Path) -> None:
    path, table = folder / CELEBA.file, folder / str(CELEBA.table)
    pictures = read_pictures(path, table, 8, np.array([9, 1]))
    assert pictures.shape == (2, 3, 8, 8)
    assert pictures[:, 0].mean(axis=(1, 2)) == pytest.approx([20, 4], abs=4) and pictures[:, 1].max() < 9
    assert np.flatnonzero(read_attribute(path, table, "Bald"))[:3].tolist() == [2, 5, 8]
    assert np.flatnonzero(read_attribute(path, table, "Young"))[:3].tolist() == [0, 2, 4]


def test_a_picture_is_cut_to_its_central_square(folder: Path) -> None:
    """A tall one with a dark top and bottom, outside of the square, and a light left half."""
    pixels = np.zeros((32, 16), np.uint8)
    pixels[8:24, :8] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=100)
    _write_npz(folder / "tall.npz", [file.getvalue()], np.array([1]))
    (picture,) = read_pictures(folder / "tall.npz", None, 8, np.array([0]))
    assert picture[0, :, :4].min() > 240 and picture[0, :, 4:].max() < 15


def _no_picture(folder: Path) -> None:
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        archive.writestr("000007.jpg", _jpeg((0, 0, 0), (8, 8), "RGB"))


def _damaged(folder: Path) -> None:
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for k in range(1, N + 1):
            archive.writestr(f"img/{k:06d}.jpg", b"no picture")


def _table(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "list_attr_celeba.txt"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_picture, r"celeba.zip: no picture '000\d\d\d.jpg', which .*celeba.txt names"),
        (_damaged, r"celeba.zip: picture 'img/000\d\d\d.jpg' cannot be read \(UnidentifiedImageError"),
        (_table("Bald", "Bold"), r"celeba.txt: no attribute 'Bald'; did you mean 'Bold'\?"),
        (_table("100\n", "101\n"), r"celeba.txt: its first line says 101 pictures, and there are 100 lines"),
        (_table("000002.jpg -1 -1", "000002.jpg -1"), r"celeba.txt: line 4: a name and 2 values are expected"),
        (_table("000002.jpg -1", "000002.jpg  0"), r"celeba.txt: 'Bald': line 3 has -1 and line 4 has 0"),
    ],
)
def test_a_wrong_file_is_said_in_one_line(folder: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(folder)
    with pytest.raises(UserError, match=message) as error:
        CELEBA.prepare(None)
    assert "\n" not in str(error.value)


def test_a_wrong_npz_is_said_in_one_line(folder: Path) -> None:
    with pytest.raises(UserError, match=r"faces.npz: no array 'label'; did you mean 'labels'\?"):
        dataclasses.replace(GREY, attribute="label").prepare(None)
    with pytest.raises(UserError, match=r"faces.npz: 'tail_sizes': row 0: a value 1 or -1 \(or 0\)"):
        dataclasses.replace(GREY, attribute="tail_sizes").prepare(None)
    files = [_jpeg(k, (16, 16), "L") for k in range(N)]
    _write_npz(folder / "faces.npz", files, np.ones(N, int))
    with pytest.raises(UserError, match=r"faces.npz: 'labels': fewer than 2 train pictures in a group"):
        GREY.prepare(None)
    with pytest.raises(UserError, match=r"its sha256 is .*, expected abc"):
        dataclasses.replace(GREY, sha256="abc").prepare(None)


def test_what_is_missing_is_named_with_its_place(folder: Path) -> None:
    assert GREY.unavailable_reason() is None and CELEBA.unavailable_reason() is None
    (folder / "list_attr_celeba.txt").unlink()
    reason = CELEBA.unavailable_reason()
    assert reason == f"list_attr_celeba.txt is not there: put it at {folder}/cache/list_attr_celeba.txt or into the " \
        "folder CFM_DATA"  # fmt: skip


def test_groups_and_splits(folder: Path) -> None:
    """70 + 10 + 20 pictures, each in one split; as many of both groups in validation and test."""
    arrays = CELEBA.prepare(None)
    assert all(array.dtype == np.float32 for array in arrays.values())
    sizes = {name: len(array) for name, array in arrays.items() if name.startswith(("train", "val", "test"))}
    assert sizes["train_0"] + sizes["train_1"] == TRAIN
    assert 2 <= sizes["val_0"] == sizes["val_1"] <= 5 and 2 <= sizes["test_0"] == sizes["test_1"] <= 10
    points = np.concatenate([arrays[name] for name in sizes])
    assert points.shape[1] == CELEBA.dim == 3 and len(np.unique(points, axis=0)) == sum(sizes.values())
    assert np.concatenate([arrays["train_0"], arrays["train_1"]]).mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-4)
    assert decode(arrays, arrays["test_0"]).shape == (sizes["test_0"], 3, 8, 8)


def test_a_group_has_the_codes_of_its_own_pictures(folder: Path) -> None:
    """Where the bright pictures have the attribute, it can be told from the codes, of test pictures too."""
    having = np.arange(N) >= 40
    levels = np.arange(N) + 130 * having
    _write_npz(folder / "faces.npz", [_jpeg(int(level), (16, 16), "L") for level in levels], having)
    arrays = GREY.prepare(None)
    assert has_attribute(arrays, arrays["test_1"]).mean() > 0.9 and has_attribute(arrays, arrays["test_0"]).mean() < 0.1


def test_the_classifier_tells_the_groups_apart_whatever_their_sizes() -> None:
    rng = np.random.default_rng(0)
    without, having = rng.standard_normal((2000, 5)), rng.standard_normal((100, 5)) + np.array([3.0, 0, 0, 0, 0])
    known = fitted(without.astype(np.float32), having.astype(np.float32))
    assert known["classifier_weight"].shape == (5,) and known["classifier_weight"].argmax() == 0
    assert has_attribute(known, having).mean() > 0.9 and has_attribute(known, without).mean() < 0.1
    border = -known["classifier_bias"] / known["classifier_weight"][0]
    assert border == pytest.approx(1.5, abs=0.4)  # half-way, although most codes are on one side


def _codes(arrays: dict[str, np.ndarray], *names: str) -> set[bytes]:
    return {code.tobytes() for name in names for code in arrays[name]}


def test_attributes_share_a_vae_and_no_test_picture_of_one_trains_it_for_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_on: list[np.ndarray] = []
    train = latents.train

    def counted(settings: Any, pictures: Any, *rest: Any) -> Any:
        trained_on.append(pictures)
        return train(settings, pictures, *rest)

    monkeypatch.setattr(latents, "train", counted)
    bald, young = CELEBA.prepare(None), dataclasses.replace(CELEBA, attribute="Young").prepare(None)
    again = CELEBA.prepare(None)
    assert len(trained_on) == 1 and len(trained_on[0]) == TRAIN
    for name, array in bald.items():
        np.testing.assert_array_equal(array, again[name])
    decoders = [name for name in bald if name.startswith("decoder.")]
    assert decoders and all(np.array_equal(bald[name], young[name]) for name in decoders)
    tested = _codes(young, "test_0", "test_1")
    assert tested & _codes(bald, "test_0", "test_1")
    assert not tested & _codes(bald, "train_0", "train_1", "val_0", "val_1")
    dataclasses.replace(CELEBA, beta=0.5).prepare(None)
    assert len(trained_on) == 2
    _table("000001.jpg -1  1", "000001.jpg  1  1")(folder)  # other data
    CELEBA.prepare(None)
    monkeypatch.setattr(attributes, "_CUTS", {"train": (0.3, 1.0), "val": (0.2, 0.3), "test": (0.0, 0.2)})
    CELEBA.prepare(None)
    assert len(trained_on) == 4 and len([*(folder / "cache/latents").glob("*.npz")]) == 4


def test_a_vae_is_trained_on_a_gpu_that_is_held_before_torch_looks_for_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []

    def chosen(name: str) -> torch.device:
        with locked(tmp_path / "cfm-gpu-all.lock", wait=False) as other:
            seen.append((name, other))
        return torch.device("cpu")

    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(latents, "present", lambda: True)
    monkeypatch.setattr(latents, "choose", chosen)
    GREY.prepare(None)
    assert seen == [("auto", None)]


def test_a_vae_that_is_not_finished_leaves_nothing_to_be_taken_for_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(latents, "encode", stopped)
        GREY.prepare(None)
    assert not [*(folder / "cache/latents").glob("*.npz")]
    assert len(GREY.prepare(None)["train_0"]) > 0


def test_fresh_targets_are_training_pictures_with_the_attribute(folder: Path) -> None:
    arrays = GREY.prepare(None)
    count = len(arrays["train_1"])
    for n in (5, count, 200):
        drawn = GREY.draw_target(n, stream(0, "test"))
        found = {code.tobytes() for code in drawn}
        assert len(drawn) == n and found <= _codes(arrays, "train_1")
        assert len(found) == n or n > count  # none twice while there are enough


def test_only_some_pictures_are_taken_from_the_whole_file(folder: Path) -> None:
    """Of a file that begins with one group, as the faces' file does."""
    _write_npz(folder / "faces.npz", [_jpeg(2 * k, (16, 16), "L") for k in range(N)], np.arange(N) >= N // 2)
    few = dataclasses.replace(GREY, most=N // 2).prepare(None)
    assert len(few["train_0"]) + len(few["train_1"]) == TRAIN // 2 and len(few["train_1"]) > 10


def test_celeba_is_forty_data_sets_with_the_papers_name_and_no_other_has_it() -> None:
    datasets = load_datasets()
    names = by_name(datasets)["celeba"]
    assert len(names) == 40 and names[0] == "celeba_5_o_clock_shadow" and "celeba_smiling" in names
    bald = datasets["celeba_wearing_hat"]
    assert (bald.group, bald.entry.label, bald.entry.paper) == ("celeba", "CelebA, Wearing Hat", "CelebA 128-d latent")
    assert bald.dataset.attribute == "Wearing_Hat" and bald.dataset.dim == 128  # type: ignore[attr-defined]
    assert datasets["smiles"].entry.paper is None and datasets["smiles"].group is None


@pytest.mark.parametrize("side", [0, 12, -8])
def test_a_side_that_cannot_be_halved_three_times_is_refused(side: int) -> None:
    assert dataclasses.replace(GREY, side=side).problem() == f"side: a multiple of 8 is expected, got {side}"
    assert GREY.problem() is None
