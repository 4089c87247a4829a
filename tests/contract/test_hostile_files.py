"""Opening a stranger's results or data executes nothing and ends in one clear line.

Every payload would make the file `canary`, if anything ran it.
"""

import gzip
import json
import os
import pickle
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cfm.__main__ import main
from cfm.artifacts.layout import Layout
from cfm.artifacts.metrics import read_metrics
from cfm.artifacts.provenance import Stopwatch, read_provenance
from cfm.artifacts.training_log import read_log
from cfm.cli import cells
from cfm.cli.reproduce import _only_one
from cfm.datasets.reading import image_archives as image_files
from cfm.errors import UserError
from cfm.files import atomic, check_archive, read_json, write_arrays, write_text
from cfm.workflow.progress import notes
from tests.contract.conftest import DATASET


class _Payload:
    """Makes the canary when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, ("canary",)


def _replace(file: str, old: str, new: str) -> None:
    path = Path("config") / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _run(method: str, file: str) -> Path:
    return Path(f"results/smoke/toy2d/{DATASET}/{method}/seed=42/{file}")


def _verb(name: str, method: str) -> list[str]:
    return [name, "--budget", "smoke", "--experiment", "toy2d", "--dataset", DATASET, "--method", method]


def _pickled_arrays(path: Path) -> None:
    np.savez(path, x0=np.array([_Payload()], dtype=object), nfe=1, seconds=1.0)


def _pickled_array(path: Path) -> None:
    with open(path, "wb") as file:
        np.save(file, np.array([_Payload()], dtype=object))


def _torch_pickle(path: Path) -> None:
    torch.save({"best.theta": _Payload()}, path)


def _plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(_Payload()))


def _huge_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")


def _lying_header(path: Path) -> None:
    header = json.dumps({"best.x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def _lying_array(path: Path) -> None:
    """An array of a terabyte, says its header, and nothing after it."""
    with zipfile.ZipFile(path, "w") as archive, archive.open("x0.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (2**38,)})  # type: ignore[arg-type]


def _bomb(path: Path) -> None:
    """Says that it unpacks to two gigabytes, of 2 MB of zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x0.npy", bytes(1 << 21))
    content = bytearray(path.read_bytes())
    central = content.rindex(b"PK\x01\x02")
    content[central + 24 : central + 28] = struct.pack("<I", (1 << 31) - 1)
    path.write_bytes(content)


def _other_arrays(path: Path) -> None:
    write_arrays(path, {"x0": np.array(["a"]), "x1": np.zeros(3)})


def _link_to_a_secret(path: Path) -> None:
    Path("secret").write_text("password")
    path.unlink(missing_ok=True)
    path.symlink_to(Path("secret").absolute())


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


SPOILS = [
    _pickled_arrays, _pickled_array, _torch_pickle, _plain_pickle, _huge_header, _lying_header, _lying_array, _bomb,
    _other_arrays, _link_to_a_secret, _folder,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILS)
def test_hostile_arrays_and_models(refused: Callable[..., str], spoil: Callable[[Path], None]) -> None:
    """As samples, as prepared data, as a trained model and as half-trained state of the same settings."""
    for file, verb, method in (
        (_run("oracle", "samples/rk4.npz"), "evaluate", "oracle"),
        (_run("otcfm", "model.safetensors"), "sample", "otcfm"),
        (Path(f"results/smoke/toy2d/{DATASET}/data.npz"), "sample", "oracle"),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        spoil(file)
        line = refused(*_verb(verb, method))
        assert file.name in line and ("damaged" in line or "missing" in line)


GOOD = {"status": "ok", "reason": "", "nfe": 4, "metrics": {"w2": 1.0}}


@pytest.mark.parametrize(
    "content",
    [
        '{"rk4": {}, "rk4": {}}',
        '{"rk4": 1}',
        "[]",
        "{",
        "",
        b"\xff",
        "[" * 100_000,
        json.dumps({"rk4": GOOD}).replace("1.0", "NaN"),
        json.dumps({"rk4": GOOD}).replace("1.0", "1e999"),
        json.dumps({"rk4": GOOD}).replace("1.0", '"1.0"'),
        json.dumps({"rk4": GOOD}).replace("w2", "__class__"),
        json.dumps({"rk4": GOOD | {"status": "fine"}}),
        json.dumps({"rk4": GOOD | {"nfe": 1e9}}),
        json.dumps({"rk4": GOOD | {"status": "failed"}}),
        json.dumps({"rk4": GOOD | {"more": 1}}),
    ],
    ids=lambda content: str(content)[:40],
)
def test_hostile_metrics(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "metrics.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=r"metrics.json: .*; delete it and run again") as error:
        read_metrics(tmp_path)
    assert str(error.value).isprintable()
    path.write_text(json.dumps({"rk4": GOOD}))
    assert read_metrics(tmp_path) == {"rk4": GOOD}


def test_hostile_metrics_are_said_by_every_command_that_reads_them(refused: Callable[..., str]) -> None:
    _replace("experiments/toy2d.yaml", "seeds: [42,", "methods: [identity, oracle]\nseeds: [42,")
    Path("config/budgets/smoke.yaml").write_text(f"experiments: {{toy2d: {{datasets: [{DATASET}], seeds: [42]}}}}")
    text = Path("config/experiments/toy2d.yaml").read_text()
    text = re.sub(r"train_of:\n(  .*\n)*\n", "", text).split("\nfigures:\n")[0]
    Path("config/experiments/toy2d.yaml").write_text(text)
    _run("identity", "metrics.json").write_text("{")
    for arguments in (
        ["status", "--budget", "smoke", "--experiments", "toy2d"],
        ["collect", "--budget", "smoke", "--experiment", "toy2d"],
    ):
        assert "metrics.json: damaged" in refused(*arguments)
    Layout("results", "smoke").source_target("toy2d", DATASET, 42).write_text("{")
    assert "seed=42.json: damaged" in refused(*_verb("evaluate", "oracle"))


@pytest.mark.parametrize(
    "content",
    [b"step,val_loss\n1,x\n", b"step,val_loss\n1,2,3\nx,1\n", b"\xff\xfe", b"val_loss\n1\n", b'step\n"1'],
    ids=["text", "no step", "no text", "no column of steps", "quote"],
)
def test_hostile_training_logs(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train.csv").write_bytes(content)
    if content == b'step\n"1':
        assert read_log(tmp_path) == [{"step": 1}]
        return
    with pytest.raises(UserError, match=r"train.csv: damaged .*; delete it"):
        read_log(tmp_path)


def test_a_training_log_may_have_more_columns_and_fewer(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("step,val_loss,note\n10,0.5,warm-up\n20,,\n")
    assert read_log(tmp_path) == [{"step": 10, "val_loss": 0.5}, {"step": 20}]


@pytest.mark.parametrize("change", [{"git": "x"}, {"cpu_seconds": "1"}, {"machine": []}, {"started": 1}, {"git": {}}])
def test_hostile_provenance(tmp_path: Path, change: dict[str, object]) -> None:
    record = Stopwatch().record(device="cpu")
    (tmp_path / "provenance.json").write_text(json.dumps({"train": {}, "sample": record, "samples_rk4_sha256": "0"}))
    assert read_provenance(tmp_path) == {"sample": record}
    (tmp_path / "provenance.json").write_text(json.dumps({"sample": record | change}))
    with pytest.raises(UserError, match=r"provenance.json: damaged"):
        read_provenance(tmp_path)


def test_a_hostile_reason_is_one_line_in_the_terminal(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = {"status": "failed", "reason": "a\n\x1b[2Jb", "nfe": None, "metrics": {}}
    write_text(_run("identity", "metrics.json"), json.dumps({"rk4": result}))
    main(["status", "--budget", "smoke", "--experiments", "toy2d"])
    out = capsys.readouterr().out
    assert "seed=42: a\\n\\x1b[2Jb (" in out and "\x1b" not in out


_WIDE = b"dataset,method,seed,solver,evaluations,status,reason,"


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"a,b\n1,2\n", b"\xff\xfe", b'"', b"x" * 100_000, b"dataset" + b"," * 9),
        *(
            _WIDE + b"colour\nd,m,1,s,1,ok,,1\n",
            _WIDE + b"npe,npe\nd,m,1,s,1,ok,,1,2\n",
            _WIDE + b"npe\nd,m,1,s,1,ok,,x\n",
        ),
    ],
)
def test_hostile_tables_of_runs(refused: Callable[..., str], content: bytes) -> None:
    path = Path("results/smoke/toy2d/runs.csv")
    path.write_bytes(content)
    assert "runs.csv: damaged" in refused("table", "--budget", "smoke", "--experiment", "toy2d", "--name", "table2")


def test_notes_of_progress_that_are_none_are_left_out(tmp_path: Path) -> None:
    good = {"job": "train a/b/c", "pid": os.getpid(), "step": 1, "steps": 2, "text": "", "began": 0.0, "updated": 0.0}
    for name, change in enumerate(
        ({"pid": -1}, {"pid": "1"}, {"pid": 2**70}, {"job": "x"}, {"text": "\x1b[2J"}, {"a": 1})
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(good | change))
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert not [*notes(tmp_path)]
    (tmp_path / "good.json").write_text(json.dumps(good))
    assert len([*notes(tmp_path)]) == 1


def test_links_in_results_are_not_followed_where_something_is_written(place: Path) -> None:
    victim = place / "victim"
    victim.write_text("precious")
    root = Path("results/smoke")
    (root / ".lock").symlink_to(victim)
    with pytest.raises(UserError, match=r"\.lock: a symbolic link"), _only_one(root / ".lock"):
        pass
    (root / ".lock").unlink()
    (root / "logs/toy2d").mkdir(parents=True)
    (root / "logs/toy2d/collect.log").symlink_to(victim)
    with pytest.raises(UserError, match=r"collect.log: a symbolic link"), _only_one(root / ".lock"):
        pass
    (root / "runs.csv").symlink_to(victim)
    with atomic(root / "runs.csv") as temporary:  # takes the link's place
        temporary.write_text("new")
    assert victim.read_text() == "precious" and (root / "runs.csv").read_text() == "new"


CELLS = """
cells:
  label: cells
  family: snapshots
  file: FILE
  matrix: X
  labels: day
  dims: 2
  snapshots: 3
  left_out: 1
"""
EXPERIMENT = """
title: Cells
datasets: [cells]
seeds: [42]
train: {width: 8, depth: 2, batch_size: 8, steps: 10, learning_rate: 0.001, weight_decay: 0.0, validate_every: 5}
solvers: {euler: {scheme: euler, steps: 5}}
metrics: [w2]
"""


def _cells(file: str) -> list[str]:
    Path("config/datasets.yaml").write_text(Path("config/datasets.yaml").read_text() + CELLS.replace("FILE", file))
    Path("config/experiments/cells.yaml").write_text(EXPERIMENT)
    _replace("methods.yaml", "family: identity\n  experiments: [", "family: identity\n  experiments: [cells, ")
    return ["data", "--budget", "smoke", "--experiment", "cells", "--dataset", "cells"]


def _hdf5(path: Path, fill: Callable[[Any], None]) -> None:
    import h5py

    path.unlink(missing_ok=True)
    with h5py.File(path, "w") as file:
        fill(file)


def _linked_elsewhere(file: Any) -> None:
    import h5py

    file["obs"] = h5py.ExternalLink("/etc/passwd", "/")
    file["obsm"] = h5py.ExternalLink("/etc/passwd", "/")


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        ("c.npz", _pickled_arrays),
        ("c.npz", _plain_pickle),
        ("c.npz", _lying_array),
        ("c.npz", _bomb),
        ("c.h5ad", _plain_pickle),
        ("c.h5ad", lambda path: _hdf5(path, lambda file: None)),
        ("c.h5ad", lambda path: _hdf5(path, lambda file: file.create_dataset("obsm", data=3))),
        ("c.h5ad", lambda path: _hdf5(path, _linked_elsewhere)),
        ("c.csv", _plain_pickle),
    ],
)
def test_hostile_cells(refused: Callable[..., str], file: str, spoil: Callable[[Path], None]) -> None:
    arguments = _cells(file)
    spoil(Path(file))
    assert file in refused(*arguments)


def test_a_folder_of_data_with_an_odd_name_is_a_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = _cells("c.npz")
    folder = place.parent / "a b;$(touch canary)`touch canary`'\"\n-é"
    folder.mkdir()
    rng = np.random.default_rng(1)
    np.savez(folder / "c.npz", X=rng.standard_normal((60, 2)), day=np.repeat([0, 1, 2], 20))
    monkeypatch.setenv("CFM_DATA", str(folder))
    assert main(arguments) == 0
    assert Path("results/smoke/cells/cells/data.npz").exists()
    (folder / "c.npz").write_bytes(b"no archive")
    with pytest.raises(UserError) as error:
        cells.data("smoke", "cells", "cells")
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "content",
    [
        b"no gzip",
        gzip.compress(bytes(100)),
        gzip.compress(bytes(100_000_000), 1),
        gzip.compress(struct.pack(">IIII", 2051, 2**31, 2**31, 2**31) + bytes(10)),
        gzip.compress(bytes(1000))[:-9],
        gzip.compress(bytes(1000))[:12] + b"\xff" * 20,
    ],
    ids=["no gzip", "short", "bomb", "lying header", "cut", "damaged"],
)  # fmt: skip
def test_hostile_pictures(place: Path, content: bytes) -> None:
    names = [f"{name}.gz" for name in image_files._MNIST_SHA256]
    for name in names:
        Path(name).write_bytes(content)
    with pytest.raises(UserError, match=r"train-images.*(not a whole gzip file|another or a damaged file)") as error:
        image_files.ARCHIVES["mnist"].read([Path(name) for name in names])
    assert str(error.value).isprintable()


def test_an_archive_of_much_data_is_no_bomb(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "zeros.npz", x=np.zeros(10_000_000))
    check_archive(tmp_path / "zeros.npz")


def test_json_of_strangers_is_an_object_with_every_key_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": {"b": 1, "b": 2}}')
    with pytest.raises(UserError, match=r"a.json: damaged .*a key is given twice"):
        read_json(path)
