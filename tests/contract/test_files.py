"""Files are whole or absent; notes of progress come and go with their process; locks and provenance hold."""

import json
import multiprocessing
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from cfm import device
from cfm.artifacts.layout import Layout, samples_path
from cfm.artifacts.provenance import Stopwatch, git_state
from cfm.errors import UserError
from cfm.files import atomic, locked, read_arrays, read_tensors, write_arrays, write_json, write_tensors, write_text
from cfm.fingerprint import file_digest
from cfm.workflow.progress import Note, Progress, notes, sweep


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(OSError, match="disk full"), atomic(path) as temporary:
        temporary.write_text("half of the n")
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_writes_make_folders_and_are_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "a/b/file.json"
    write_json(path, {"b": 1, "a": [1.5, None]})
    assert json.loads(path.read_text()) == {"a": [1.5, None], "b": 1}
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_refuses_what_is_not_json(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": value})
    assert not list(tmp_path.iterdir())


def test_arrays_and_tensors_round_trip(tmp_path: Path) -> None:
    arrays = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "text": np.array("words"), "n": np.int64(3)}
    write_arrays(tmp_path / "a.npz", arrays)
    stored = read_arrays(tmp_path / "a.npz")
    np.testing.assert_array_equal(stored["x"], arrays["x"])
    assert str(stored["text"]) == "words" and int(stored["n"]) == 3
    write_tensors(tmp_path / "a.safetensors", {"w": torch.arange(4.0)[::2]}, {"step": "7"})
    tensors, metadata = read_tensors(tmp_path / "a.safetensors")
    assert torch.equal(tensors["w"], torch.tensor([0.0, 2.0])) and metadata == {"step": "7"}


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_truncated_files_are_named(tmp_path: Path, cut: int) -> None:
    write_arrays(tmp_path / "a.npz", {"x": np.zeros(100)})
    write_tensors(tmp_path / "a.safetensors", {"w": torch.zeros(100)}, {})
    for name, read in (("a.npz", read_arrays), ("a.safetensors", read_tensors)):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(UserError, match=f"{name}: damaged"):
            read(path)
        path.unlink()
        with pytest.raises(UserError, match=f"{name}: missing"):
            read(path)


def test_every_flipped_bit_of_an_array_file_is_noticed(tmp_path: Path) -> None:
    """npz carries a checksum of every array: a flip is an error, or (in unused zip fields) changes no number."""
    path = tmp_path / "a.npz"
    x = np.arange(64, dtype=np.float32)
    write_arrays(path, {"x": x})
    content = path.read_bytes()
    noticed = 0
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            stored = read_arrays(path)
        except UserError:
            noticed += 1
        else:
            assert "x" not in stored or np.array_equal(stored["x"], x)
    assert noticed > 0.5 * len(content) / 7


def test_notes_of_living_processes_are_kept_and_of_dead_ones_removed(tmp_path: Path) -> None:
    progress = Progress(tmp_path, "train toy2d/moons/icfm seeds 1-2")
    progress(5, 10, "validation loss 1")
    (note,) = notes(tmp_path)
    assert (note.job, note.step, note.steps, note.pid) == ("train toy2d/moons/icfm seeds 1-2", 5, 10, os.getpid())
    child = multiprocessing.get_context("fork").Process(target=int)
    child.start()
    child.join()
    assert child.pid is not None
    dead = Note("train a/b/c seeds 3", child.pid, 1, 2, "", 0.0, 0.0)
    write_text(tmp_path / "dead.json", json.dumps(dead.__dict__))
    (tmp_path / "broken.json").write_text("{")
    assert [n.pid for n in notes(tmp_path)] == [os.getpid()]
    assert (tmp_path / "dead.json").exists()  # looking changes nothing
    sweep(tmp_path)
    assert not (tmp_path / "dead.json").exists() and len(list(notes(tmp_path))) == 1
    progress.close()
    assert not list(notes(tmp_path))


def test_progress_is_printed_now_and_then_and_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(tmp_path, "job")
    for step in range(1, 101):
        progress(step, 100, "text")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[0].startswith("job: 1/100") and lines[1].startswith("job: 100/100")


def test_paths_are_readable_and_different(tmp_path: Path) -> None:
    layout = Layout("results", "quick")
    run = layout.run("toy2d", "moons", "otcfm", 42)
    assert str(run) == "results/quick/toy2d/moons/otcfm/seed=42"
    assert str(samples_path(run, "rk4")) == "results/quick/toy2d/moons/otcfm/seed=42/samples/rk4.npz"
    assert str(layout.table("toy2d", "table2", "md")) == "results/quick/toy2d/tables/table2.md"
    assert str(layout.runs("toy2d")) == "results/quick/toy2d/runs.csv"
    assert str(layout.figure("toy2d", "t", "moons", "png")) == "results/quick/toy2d/figures/t_moons.png"
    assert layout.resume("a", (1, 2)) != layout.resume("a", (1,)) != layout.resume("b", (1,))


def test_provenance_names_code_packages_and_machine() -> None:
    record = Stopwatch().record(device="cpu")
    assert record["started"] <= record["finished"] and record["device"] == "cpu"
    assert set(record["packages"]) >= {"torch", "pot", "numpy"} and record["packages"]["torch"] == torch.__version__
    assert record["machine"]["cores"] >= 1 and record["peak_memory_mb"] > 10


def test_provenance_without_git_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state.__wrapped__() == {"commit": None, "dirty": None}


def test_file_digest_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x").startswith("ba7816bf8f01cfea414140de5dae2223")
    with pytest.raises(UserError, match="missing"):
        file_digest(tmp_path / "y")


def test_choosing_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.choose("auto").type == device.choose("cpu").type == "cpu"
    assert torch.get_num_threads() == 1
    with pytest.raises(UserError, match="torch sees no GPU"):
        device.choose("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.choose("auto").type == "cuda" and device.choose("cpu").type == "cpu"


def test_a_lock_is_held_by_one_and_waited_for_by_others(tmp_path: Path) -> None:
    path, seen = tmp_path / "new/.lock", []

    def wait() -> None:
        with locked(path):
            seen.append("free")

    with locked(path) as file, locked(path, wait=False) as other:
        assert file is not None and other is None
        waits = threading.Thread(target=wait)
        waits.start()
        waits.join(0.2)
        assert waits.is_alive() and not seen
    waits.join()
    with locked(path, wait=False) as again:
        assert again is not None and seen == ["free"]
