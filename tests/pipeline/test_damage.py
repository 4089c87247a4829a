"""Damaged files, full and read-only disks, a loss that turns NaN, a clock that jumps: the same bits, or one line."""

import contextlib
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from cfm.__main__ import main
from cfm.methods.flow_matching import FlowMatching
from tests.faults.damage import KINDS, WHERE, inject, prepare
from tests.faults.storm import Count, differing
from tests.pipeline.conftest import Project, read_numbers, read_rows

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Data, identity and a trained, sampled and evaluated method."""
    return prepare(tmp_path_factory.mktemp("damage"))[0]


def test_damaged_files_are_refused_or_do_not_matter(tmp_path: Path) -> None:
    """The short version of `python -m tests.faults.damage`."""
    counts = inject(tmp_path, 3 * len(KINDS), random.Random(7))
    assert sum(count["refused"] for count in counts.values()) > len(KINDS)
    assert not any(count["wrong"] or count["unclear"] for count in counts.values()), counts


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """`tmp_path/disk`, a disk of its own that can be mounted anew with other options; needs root."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        with contextlib.suppress(FileNotFoundError):
            return subprocess.run(command, capture_output=True).returncode == 0
        return False

    if not mount("size=1m"):
        pytest.skip("a small disk cannot be mounted here: that needs root")

    def remount(options: str) -> None:
        assert mount(f"remount,{options}")

    yield remount
    subprocess.run(["umount", "--lazy", str(disk)], check=True)  # the working directory may be in it


def test_a_full_disk_and_a_read_only_one_cost_nothing_but_a_line(
    done: Project,
    small_disk: Callable[[str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = Project(tmp_path / "disk")
    for name in ("cfm", "config"):
        (project.folder / name).symlink_to(done.folder / name)
    monkeypatch.chdir(project.folder)

    def refused(*arguments: str) -> str:
        capsys.readouterr()
        assert main([*arguments]) == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("error: ")
        return last

    def run(*arguments: str) -> None:
        assert main([*arguments]) == 0

    run("data", *WHERE[:6])
    run("sample", *WHERE[:7], "identity")
    filler = Path("filler")
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while file.write(bytes(1024)):
            pass
    assert "No space left on device" in refused("train", *WHERE)
    assert not [*project.results.rglob("*.safetensors")]
    filler.unlink()
    small_disk("size=2m")
    run("train", *WHERE)
    small_disk("size=2m,ro")
    assert "Read-only file system" in refused("sample", *WHERE)
    small_disk("size=2m,rw")
    for verb, method in (("sample", "otcfm"), ("evaluate", "identity"), ("evaluate", "otcfm")):
        run(verb, *WHERE[:7], method)
    assert not differing(read_numbers(project), read_numbers(done))


def test_a_loss_that_turns_nan_fails_its_own_seed_only(
    done: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the middle of training, for the first of two seeds that are trained together."""
    project = done.copy(tmp_path / "project")
    for path in project.results.glob("*/otcfm/*/model.safetensors"):
        path.unlink()
    plain, calls = FlowMatching.loss, iter(range(10**6))

    def loss(self: FlowMatching, net: torch.nn.Module, batch: object, trained_part: str = "") -> torch.Tensor:
        found = plain(self, net, batch, trained_part)  # type: ignore[arg-type]
        return found * torch.tensor([float("nan"), 1.0]) if next(calls) == 100 and len(found) == 2 else found

    monkeypatch.setattr(FlowMatching, "loss", loss)
    monkeypatch.chdir(project.folder)
    for verb in ("train", "sample", "evaluate"):
        assert main([verb, *WHERE]) == 0
    assert "seed 42 failed: the loss is not finite" in capsys.readouterr().err
    changed = differing(read_numbers(project), read_numbers(done))
    assert changed and all("otcfm/seed=42" in name for name in changed)
    assert '"status": "failed"' in (project.results / "moons_8gaussians/otcfm/seed=42/metrics.json").read_text()


def test_files_from_the_future_and_the_past_change_no_number(project: Project) -> None:
    """A clock that jumped: whatever is made anew for it comes out with the same bits."""
    before = read_numbers(project)
    now = time.time()
    run = project.results / "gaussian_8gaussians/otcfm/seed=42"
    os.utime(run / "samples/rk4.npz", (now + 10**7, now + 10**7))
    os.utime(project.results / "moons_8gaussians/data.npz", (0, 0))
    finished = project.reproduce()
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert not differing(read_numbers(project), before)
    assert len(read_rows(project.results / "runs.csv")) > 50


def test_the_storm_counts_every_kill_once() -> None:
    count = Count()
    count.injected.update({"train": 2, "table": 1})
    count.recovered.update({"train": 2})
    count.wrong.update({"table": 1})
    count.refused = 4
    assert "| all | 3 | 2 | 1 |" in count.table().splitlines()
    assert count.table().endswith("second starts refused with a line: 4")
