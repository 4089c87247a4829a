"""One's own pictures in folders: of classes, from noise; or of two groups, for translation."""

import dataclasses
import io
import re
import textwrap
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from cfm.artifacts.data import load
from cfm.config.check import check_network
from cfm.config.registry import dataset_family
from cfm.config.strict import Where, build
from cfm.datasets.attributes import Attributes
from cfm.datasets.picture_folders import PictureFolders
from cfm.datasets.reading import latents
from cfm.errors import UserError
from cfm.methods.flow_matching import FlowMatching
from cfm.nets.pictures import PictureField
from cfm.pictures import to_bytes
from cfm.rng import stream
from cfm.settings import Entry, Sizes, Training, UNetSettings
from cfm.stages.data import prepare

ALL = Sizes(1000, 1000, 1000, 0)
FACES = PictureFolders("faces.zip", ("neutral", "smiling"), side=8)
TOLD = FlowMatching("exact", "linear", 0.0, classes="data")


def _picture(level: int, mode: str = "RGB", kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (12, 16), (level, 0, 0) if mode == "RGB" else level).save(file, kind)
    return file.getvalue()


def _pack(folder: Path, names: Iterable[str], level: int = 0, **more: bytes) -> None:
    """Picture k of a class has the level k, and 100 more in the folder that ends with `smiling`."""
    with zipfile.ZipFile(folder / "faces.zip", "w") as archive:
        for name in names:
            number = int(name.rpartition("/")[2].partition(".")[0])
            archive.writestr(name, _picture(number + 100 * ("smiling" in name)))
        for name, content in more.items():
            archive.writestr(name.replace("__", "/"), content)


def _names(neutral: int = 40, smiling: int = 20, top: str = "") -> list[str]:
    return [f"{top}smiling/{k:03d}.png" for k in range(smiling)] + [f"{top}neutral/{k:03d}.PNG" for k in range(neutral)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CFM_DATA", str(tmp_path))
    monkeypatch.setenv("CFM_CACHE", str(tmp_path / "cache"))
    _pack(tmp_path, _names())
    return tmp_path


def _levels(arrays: dict[str, Any], split: str) -> list[int]:
    return [int(level) for level in arrays[f"{split}_1"].reshape(-1, 3, 8, 8)[:, 0, 0, 0]]


def test_every_class_is_split_and_every_picture_is_in_one_split() -> None:
    arrays = FACES.prepare(ALL)
    splits = ("train", "val", "test")
    assert {split: len(arrays[f"{split}_1"]) for split in splits} == {"train": 42, "val": 6, "test": 12}
    assert {split: int(arrays[f"{split}_label"].sum()) for split in splits} == {"train": 14, "val": 2, "test": 4}
    assert sorted(level for split in splits for level in _levels(arrays, split)) == [*range(40), *range(100, 120)]
    for split in splits:
        assert ((np.array(_levels(arrays, split)) >= 100) == arrays[f"{split}_label"][:, 0]).all()
    assert "test_large_1" not in arrays and arrays["train_1"].shape[1] == FACES.dim == 3 * 64


def test_the_order_of_the_entry_is_that_of_the_classes_and_of_the_zip_means_nothing(folder: Path) -> None:
    arrays = FACES.prepare(ALL)
    turned = dataclasses.replace(FACES, classes=("smiling", "neutral")).prepare(ALL)
    assert ((np.array(_levels(turned, "test")) < 100) == turned["test_label"][:, 0]).all()
    _pack(folder, reversed(_names()))
    again = FACES.prepare(ALL)
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)


@pytest.mark.parametrize("top", ["faces/", "data/of/mine/"])
def test_all_may_lie_in_further_folders_with_others_beside(
    folder: Path, top: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = FACES.prepare(ALL)
    more = {"__MACOSX____.DS_Store": b"", "readme.txt": b"", "cover.png": _picture(9), f"{top}smiling__notes.md": b""}
    _pack(folder, _names(top=top), **more, **{f"{top}2.png": _picture(1)})
    found = FACES.prepare(ALL)
    assert all(np.array_equal(plain[name], found[name]) for name in plain)
    assert "4 files that are no pictures in a folder of a class are left out" in capsys.readouterr().err


def test_sizes_are_what_is_taken_at_most() -> None:
    arrays = FACES.prepare(Sizes(train=20, val=3, test=1000, test_large=5))
    assert [len(arrays[f"{split}_1"]) for split in ("train", "val", "test", "test_large")] == [20, 3, 12, 5]
    whole = FACES.prepare(ALL)
    np.testing.assert_array_equal(arrays["train_1"], whole["train_1"][:20])
    np.testing.assert_array_equal(arrays["test_large_1"], whole["train_1"][:5])
    assert len(np.unique(arrays["train_label"])) == 2  # they are mixed


def test_grey_is_asked_for(folder: Path, tmp_path: Path) -> None:
    grey = dataclasses.replace(FACES, colour=False)
    prepare(grey, ALL, tmp_path / "data.npz")
    data = load(tmp_path / "data.npz")
    assert data.dim == grey.dim == 64 and data.target("test").shape == (12, 64)
    # Red of level k has the luma 0.299 k.
    assert to_bytes(data.target("test")).max() == pytest.approx(0.299 * 119, abs=4)
    with zipfile.ZipFile(folder / "faces.zip", "w") as archive:
        for name in _names():
            archive.writestr(name, _picture(50, "L"))
    assert FACES.prepare(ALL)["test_1"].shape == (12, 192)


def test_fresh_targets_are_training_pictures() -> None:
    train = {picture.tobytes() for picture in FACES.prepare(ALL)["train_1"]}
    for n in (5, 42, 100):
        drawn = to_bytes(FACES.draw_target(n, stream(0, "draw"))).reshape(n, -1)
        found = {picture.tobytes() for picture in drawn}
        assert (len(drawn) == n and found <= train and len(found) == min(n, 42)) or n == 100


def test_networks_and_classifiers_have_as_many_classes_as_the_data(folder: Path) -> None:
    faces = dataclasses.replace(FACES, colour=False, classifier=1)
    assert faces.class_count == 2 and TOLD.skip_reason(faces) is None
    told = TOLD.on(faces)
    assert told == FlowMatching("exact", "linear", 0.0, classes=2) and told.on(faces) is told
    settings = Training(8, 1, 16, 1, 1e-3, 0.0, 1, unet=UNetSettings((1, 2), (), 8))
    for method, known in ((told, 2), (FlowMatching("exact", "linear", 0.0, classes=3), 3)):
        net = method.network(1, 64, settings)
        assert isinstance(net, PictureField)
        assert net.named_layers(net.theta[0])["classes.weight"].shape == (known, 4 * 8)
    arrays = faces.prepare(ALL)
    assert len(arrays["classifier.head.1.bias"]) == 2 and 0 <= arrays["classifier_accuracy"] <= 1


def test_a_number_of_classes_that_others_have_is_no_reason_to_run() -> None:
    assert FlowMatching("exact", "linear", 0.0, classes=10).skip_reason(FACES) == "needs points of 10 classes"
    assert TOLD.skip_reason(GREYS) == "needs points of classes"


@pytest.mark.parametrize("word", ["dat", "10", True])
def test_classes_are_a_number_or_the_datas(word: object) -> None:
    where = Where("config/methods.yaml") / "mine"
    entry = {"coupling": "exact", "path": "linear", "sigma": 0.0}
    assert build(FlowMatching, {**entry, "classes": "data"}, where) == TOLD
    with pytest.raises(UserError, match="classes: a whole number"):
        build(FlowMatching, {**entry, "classes": word}, where)


REFUSED = {
    "another class": (
        ("happy", "neutral"),
        _names(),
        r"others than .* of the entry; they are: classes: \[neutral, smiling\]",
    ),
    "a class less": (("neutral", "smiling"), [*_names(), "sad/1.png"], r"classes: \[neutral, sad, smiling\]"),
    "names that YAML would not take for text": (
        ("a", "b"),
        ["1/1.png", "no/1.png", "it's/1.png", "a b/1.png"],
        r"classes: \['1', 'a b', 'it''s', 'no'\]",
    ),
    "folders of trainings and tests": (
        ("neutral", "smiling"),
        ["train/a/1.png", "val/a/2.png"],
        r"classes: \[train, val\]",
    ),
    "one folder": (("neutral", "smiling"), ["a/neutral/1.png"], r"a folder for each class.* found 'neutral' alone"),
    "no folder": (("neutral", "smiling"), ["1.png"], r"a folder for each class.* found no picture in a folder"),
    "nothing": (("neutral", "smiling"), [], r"found no picture in a folder"),
    "few": (("neutral", "smiling"), _names(9, 20), r"'neutral' has 9 pictures: 10 or more are expected"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_folders_that_are_not_the_classes_are_one_line_to_paste(case: str, folder: Path) -> None:
    classes, names, message = REFUSED[case]
    _pack(folder, names)
    with pytest.raises(UserError, match=message):
        dataclasses.replace(FACES, classes=classes).prepare(ALL)


def test_a_damaged_picture_of_a_class_is_named(folder: Path) -> None:
    _pack(folder, _names(), **{"smiling__021.png": _picture(9)[:40]})
    with pytest.raises(UserError, match=r"faces.zip: picture 'smiling/021.png' cannot be read \("):
        FACES.prepare(ALL)


def test_settings_that_cannot_be_are_refused() -> None:
    assert FACES.problem() is None
    assert str(dataclasses.replace(FACES, side=2).problem()).startswith("side: 4 or more")
    assert "two or more different ones" in str(dataclasses.replace(FACES, classes=("a",)).problem())
    assert "two or more different ones" in str(dataclasses.replace(FACES, classes=("a", "a")).problem())
    assert str(dataclasses.replace(FACES, classifier=0).problem()).startswith("classifier: one or more")
    assert "is not there" in str(dataclasses.replace(FACES, file="none.zip").unavailable_reason())


# Folders as the attribute of pictures for translation.
CODES: dict[str, Any] = {"side": 8, "latent": 3, "width": 2, "beta": 0.02, "epochs": 1, "batch_size": 8}
GREYS = Attributes("faces.zip", "smiling", learning_rate=0.001, **CODES)


def test_a_folder_is_an_attribute_of_the_pictures_in_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[np.ndarray] = []

    def noted(settings: Any, call: Any, how: Any, files: Any, trained_on: Any) -> dict[str, np.ndarray]:
        read.append(call())
        return {"codes": np.repeat(read[0][:, 0, 0, :1], 3, axis=1).astype(np.float32)}

    monkeypatch.setattr(latents, "latents", noted)
    _pack(folder, [*_names(100, 60), *(f"sad/{k}.png" for k in range(40))])
    arrays = GREYS.prepare(None)
    assert read[0].shape == (200, 3, 8, 8)
    ones, others = (np.concatenate([arrays[f"{s}_{k}"] for s in ("train", "val", "test")]) for k in (1, 0))
    assert ones.min() >= 100 and others.max() < 100
    with pytest.raises(UserError, match=r"no folder 'smilling' in it; did you mean 'smiling'\? \(or give the `table`"):
        dataclasses.replace(GREYS, attribute="smilling").prepare(None)


def test_a_side_that_the_u_net_cannot_halve_is_said_before_any_job() -> None:
    settings = Training(8, 1, 16, 1, 1e-3, 0.0, 1, unet=UNetSettings((1, 2, 2), (), 8))
    where = Where("config/experiments/digits.yaml")
    check_network("faces", FACES, settings, where)
    check_network("faces", dataclasses.replace(FACES, side=30), dataclasses.replace(settings, unet=None), where)
    with pytest.raises(UserError, match=r"digits.yaml: 'faces': unet: pictures of side 30 .* a multiple of 4, another"):
        check_network("faces", dataclasses.replace(FACES, side=30), settings, where)
    with pytest.raises(UserError, match=r"digits.yaml: 'my_smiles': unet: the points are no square pictures"):
        check_network("my_smiles", dataclasses.replace(GREYS, latent=5), settings, where)


def test_the_manuals_entries_are_such() -> None:
    page = (Path(__file__).parents[2] / "docs/own_data.md").read_text()
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n)+", page, flags=re.M)]
    built = {}
    for block in blocks:
        for name, entry in yaml.safe_load(block)["datasets"].items() if block.startswith("datasets:") else ():
            family = dataset_family(entry["family"], Where("docs/own_data.md"))
            own = {key: value for key, value in entry.items() if key not in Entry.__dataclass_fields__}
            built[name] = build(family, own, Where("docs/own_data.md"))
            assert built[name].problem() is None and entry["experiments"]
    assert isinstance(built["faces"], PictureFolders) and isinstance(built["my_smiles"], Attributes)
