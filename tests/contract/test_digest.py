"""The code digest sees code, not prose, and only the modules that a stage uses."""

import shutil
from pathlib import Path

import pytest

from cfm import config as configuration
from cfm import fingerprint as digest
from cfm.workflow import stage_code


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package that digests are taken of."""
    shutil.copytree("cfm", tmp_path / "cfm", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digest, "PACKAGE", tmp_path / "cfm")
    _forget()
    yield tmp_path / "cfm"
    _forget()


def _forget() -> None:
    for cached in (digest.code_digest, digest._tree, digest._alone, digest._with_imports, digest._bare):
        cached.cache_clear()


def _digests() -> dict[tuple[str, str], str]:
    _forget()
    config = configuration.load("smoke")
    return {
        (stage, method): stage_code.run_code(config, stage, "gaussian_8gaussians", method)
        for stage in ("train", "sample", "evaluate")
        for method in ("otcfm", "identity", "oracle")
    }


def _changed(before: dict[tuple[str, str], str]) -> set[tuple[str, str]]:
    after = _digests()
    return {key for key in before if before[key] != after[key]}


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    before = _digests()
    for path in package.rglob("*.py"):
        text = path.read_text().replace('"""\n\nfrom __future__', ' Edited."""\n\n\n# a comment\nfrom __future__')
        path.write_text(text + "\n\n# the end\n")
    assert _changed(before) == set()


def _move(package: Path, old: str, new: str) -> None:
    """Move a module (dotted names below the package), and follow it wherever it is imported."""
    (package / f"{new.replace('.', '/')}.py").parent.mkdir(parents=True, exist_ok=True)
    (package / f"{old.replace('.', '/')}.py").rename(package / f"{new.replace('.', '/')}.py")
    for path in package.rglob("*.py"):
        path.write_text(path.read_text().replace(f"from cfm.{old} import", f"from cfm.{new} import"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("couplings.minibatch", "couplings.pairs"),  # another name
        ("couplings.entropic", "rooms.deep.entropic"),  # another place
        ("errors", "rooms.problems"),  # imported by nearly all
    ],
)
def test_the_place_and_the_name_of_a_module_do_not_count(package: Path, old: str, new: str) -> None:
    before = _digests()
    _move(package, old, new)
    assert _changed(before) == set()


def test_the_place_of_what_is_imported_as_a_module_does_not_count(package: Path) -> None:
    found = []
    for folder, name in (("rooms", "tool"), ("other", "gadget")):
        (package / folder).mkdir()
        (package / folder / "__init__.py").touch()
        (package / folder / f"{name}.py").write_text("def f() -> int:\n    return 1\n")
        (package / "user.py").write_text(f"from cfm.{folder} import {name}\n\nX = {name}.f()\n")
        _forget()
        found.append(digest.code_digest("cfm.user"))
    assert found[0] == found[1]
    (package / "other/gadget.py").write_text("def f() -> int:\n    return 2\n")
    _forget()
    assert digest.code_digest("cfm.user") != found[0]


def test_a_name_that_comes_from_elsewhere_counts(package: Path) -> None:
    """Both modules are followed before and after, and nothing but an import line differs."""
    before, path = _digests(), package / "methods/flow_matching.py"
    (package / "paths_too.py").write_text((package / "paths.py").read_text().replace("math.pi / 2", "math.pi / 3"))
    path.write_text(path.read_text().replace("from cfm.paths import", "from cfm.paths_too import"))
    assert ("train", "otcfm") in _changed(before)


def test_an_edit_of_a_method_changes_that_method_only(package: Path) -> None:
    before = _digests()
    path = package / "methods/flow_matching.py"
    path.write_text(path.read_text().replace(".square()", ".abs()"))
    assert _changed(before) == {("train", "otcfm"), ("sample", "otcfm")}


def test_an_edit_of_a_shared_module_changes_who_uses_it(package: Path) -> None:
    before = _digests()
    path = package / "metrics/path_energy.py"
    path.write_text(path.read_text().replace("(energy - optimal) / optimal", "(energy - optimal) / (2 * optimal)"))
    changed = _changed(before)
    assert {("evaluate", "otcfm"), ("evaluate", "identity")} <= changed
    assert ("train", "otcfm") not in changed


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("couplings/entropic.py", "_MAX_ITERATIONS = 20_000", "_MAX_ITERATIONS = 20_001"),
        ("couplings/assignment/shortest_paths.py", "_BIDS = 4", "_BIDS = 5"),
        ("training/batches.py", "_REFERENCE_POINTS = 512", "_REFERENCE_POINTS = 511"),
    ],
)
def test_an_edit_of_the_coupling_changes_training(package: Path, file: str, old: str, new: str) -> None:
    before, path = _digests(), package / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert ("train", "otcfm") in _changed(before)


def test_the_configurations_own_modules_do_not_count(package: Path) -> None:
    before = _digests()
    for name in ("config/loader", "config/strict", "settings", "artifacts/layout"):
        path = package / f"{name}.py"
        path.write_text(path.read_text() + "\nADDED = 1\n")
    assert _changed(before) == set()
