"""A small finished project that a test may spoil, where nothing may make the file `canary`."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cfm.__main__ import main
from cfm.cli import cells

ROOT = Path(__file__).parent.parent.parent
DATASET = "moons_8gaussians"


@pytest.fixture(scope="session")
def hostile_prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of config/ with finished runs of the identity and of the oracle on one data set."""
    folder = tmp_path_factory.mktemp("hostile") / "project"
    shutil.copytree(ROOT / "config", folder / "config")
    smoke = folder / "config/budgets/smoke.yaml"
    smoke.write_text(smoke.read_text().replace("datasets: [gaussian_8gaussians]", f"datasets: [{DATASET}]", 1))
    with contextlib.chdir(folder):
        cells.data("smoke", "toy2d", DATASET)
        for method in ("identity", "oracle"):
            cells.sample(budget="smoke", experiment="toy2d", dataset=DATASET, method=method)
            cells.evaluate(budget="smoke", experiment="toy2d", dataset=DATASET, method=method)
    return folder


@pytest.fixture
def place(hostile_prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy to spoil, as working directory; nothing in it may have made a canary."""
    shutil.copytree(hostile_prepared, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("CFM_CACHE", "cache")
    yield tmp_path / "project"
    assert not list(tmp_path.rglob("canary*"))


@pytest.fixture
def refused(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a verb that must end with code 2 and one line, which is returned."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        try:
            code = main([*arguments])
        except SystemExit as end:
            code = end.code
        lines = capsys.readouterr().err.splitlines()
        lines = [line for line in lines if not line.startswith(("evaluate ", "sample ", "train "))]  # progress
        assert code == 2 and len(lines) == 1 and lines[0].startswith("error: "), (code, lines)
        assert lines[0].isprintable() and len(lines[0]) < 1500
        return lines[0]

    return run
