"""The weight of the repository: whoever clones it gets text, and the few pictures that its pages show."""

import subprocess
from pathlib import Path

import pytest

from cfm.cli.pictures import LARGEST, shown
from cfm.cli.reference import FOLDER

MB = 1_000_000
REFERENCE, CLONE = 15 * MB, 25 * MB


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def tracked() -> dict[Path, int]:
    """The bytes of every file that git tracks."""
    if not Path(".git").exists():
        pytest.skip("this is no git checkout")
    paths = [Path(name) for name in _git("ls-files", "-z").split("\0") if name]
    return {path: path.stat().st_size for path in paths if path.exists()}


def test_the_reference_is_small(tracked: dict[Path, int]) -> None:
    sizes = {path: size for path, size in tracked.items() if path.is_relative_to(FOLDER)}
    print(f"\n{FOLDER}: {sum(sizes.values()) / MB:.2f} MB in {len(sizes)} files")
    assert 0 < sum(sizes.values()) <= REFERENCE


def test_no_file_is_large(tracked: dict[Path, int]) -> None:
    largest = sorted(tracked, key=lambda path: -tracked[path])
    print("\nlargest:", ", ".join(f"{path} {tracked[path] / 1000:.0f} kB" for path in largest[:5]))
    assert not [path for path in largest if tracked[path] > LARGEST]


def test_the_pictures_are_those_that_are_shown(tracked: dict[Path, int]) -> None:
    pictures = {path for path in tracked if path.suffix in (".png", ".gif", ".pdf")}
    assert pictures == shown(FOLDER), "run `python -m cfm reference` of both budgets"


def test_a_shallow_clone_is_small(tracked: dict[Path, int], tmp_path: Path) -> None:
    _git("clone", "--quiet", "--depth", "1", Path.cwd().as_uri(), str(tmp_path / "clone"))
    sizes = {part: _bytes(tmp_path / "clone" / part) for part in (".git", ".")}
    print(f"\nshallow clone: {sizes['.'] / MB:.2f} MB, of them .git {sizes['.git'] / MB:.2f} MB")
    assert sizes["."] <= CLONE


def _bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
