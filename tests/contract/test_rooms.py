"""The plan of the package: who may import whom, how much may stand where, and names of files that must exist."""

from __future__ import annotations

import re
import statistics
import tomllib
from collections.abc import Iterator
from pathlib import Path

from rooms import ROOMS, cycle, imported_names, imports, modules, upward

PACKAGE = Path("cfm")
NAMES = [room.name for room in ROOMS]

# Pages and code that name files; the change log names those of its day.
_TEXTS = ("*.md", "*.toml", "*.yml", "Makefile", "Snakefile", ".pre-commit-config.yaml", ".ci/*")
_FOLDERS = ("benchmarks", "cfm", "config", "docs", "envs", "findings", "tests", "workflow")
# Tests write files of their own below config/ and workflow/.
_PATH = r"(?<![\w}/.-])(?:\.\./)*((?:%s)(?:/[a-z0-9_]++(?![{*A-Z-]))+(?:\.[a-z]+\b)?)"
_ANY, _IN_TESTS = re.compile(_PATH % "|".join(_FOLDERS)), re.compile(_PATH % "benchmarks|cfm|docs|findings|tests")
_MODULE = re.compile(r"(?<![\w./-])(?:cfm|benchmarks|tests)(?:\.[a-z_]\w*)+(?:\.[A-Z]\w*)?(?!\w)")


def _house(folder: Path, files: dict[str, str]) -> Path:
    """A package `house` of two rooms, attic above cellar, and of some modules."""
    for name, text in {"__init__": "", "attic/__init__": "", "cellar/__init__": "", **files}.items():
        path = folder / f"house/{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "house"


def _upward_in(house: Path) -> set[tuple[str, str]]:
    return {(edge.importer, edge.imported) for edge in upward(imports(house), ["attic", "cellar"])}


def test_an_import_that_points_down_is_right(tmp_path: Path) -> None:
    files = {"attic/top": "from house.cellar import coal\nimport house.tools", "cellar/coal": "", "tools": ""}
    house = _house(tmp_path, files)
    assert {edge.imported for edge in imports(house)} == {"house.cellar", "house.cellar.coal", "house.tools"}
    assert not _upward_in(house) and not cycle(imports(house))


def test_every_way_to_import_from_above_is_found(tmp_path: Path) -> None:
    files = {
        "attic/top": "",
        "cellar/plain": "import house.attic.top",
        "cellar/lazy": "def f():\n    from house.attic import top",
        "cellar/typed": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.attic.top import T",
        "cellar/relative": "from ..attic.top import T",
        "tools": "from house.cellar import plain",
    }
    found = _upward_in(_house(tmp_path, files))
    assert {(f"house.cellar.{name}", "house.attic.top") for name in ("plain", "lazy", "typed", "relative")} < found
    assert ("house.tools", "house.cellar.plain") in found


def test_a_circle_is_found(tmp_path: Path) -> None:
    house = _house(tmp_path, {"attic/a": "import house.attic.b", "attic/b": "def f():\n    import house.attic.a"})
    assert set(cycle(imports(house))) == {"house.attic.a", "house.attic.b"}


def test_a_circle_is_found_that_goes_through_a_package(tmp_path: Path) -> None:
    files = {"attic/__init__": "import house.cellar.coal", "attic/a": "", "cellar/coal": "import house.attic.a"}
    assert set(cycle(imports(_house(tmp_path, files)))) == {"house.attic", "house.cellar.coal"}


def test_the_rooms_are_the_packages() -> None:
    assert sorted(NAMES) == sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def test_imports_point_down() -> None:
    wrong = upward(imports(PACKAGE), NAMES)
    assert not wrong, "\n".join(["an import may point down only, in the order of docs/rooms.py:", *map(str, wrong)])


def test_no_modules_import_each_other_in_a_circle() -> None:
    found = cycle(imports(PACKAGE))
    assert not found, "a circle of imports: " + " -> ".join(found)


def test_few_modules_stand_at_the_top() -> None:
    top = sorted(path.name for path in PACKAGE.glob("*.py"))
    assert len(top) <= 12, f"{len(top)} modules at the top of cfm/, at most 12 may be: {', '.join(top)}"


def test_modules_are_short() -> None:
    lines = {str(path): len(path.read_text().splitlines()) for path in modules(PACKAGE).values()}
    long = [f"{path}: {count} lines, at most 300 may be" for path, count in lines.items() if count > 300]
    assert not long, "\n".join(long)
    assert statistics.median(lines.values()) < 90


def test_torchdyn_is_the_affair_of_solvers() -> None:
    users = {
        name
        for name, path in modules(PACKAGE).items()
        for _, imported in imported_names(path, name)
        if imported.split(".")[0] == "torchdyn"
    }
    assert users and {name.rpartition(".")[0] for name in users} == {"cfm.solvers"}, f"torchdyn is imported by {users}"


_OWN = Path("config/mine")  # of a user, and not there before


def _texts() -> Iterator[Path]:
    for pattern in _TEXTS:
        yield from (path for path in Path().glob(pattern) if path.name != "CHANGELOG.md")
    for folder in _FOLDERS:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and _OWN not in path.parents:
                yield path


def _is_there(path: str) -> bool:
    made_up = _OWN in Path(path).parents or path == "cfm/methods/my_idea.py"  # what the README has a reader write
    return Path(path).exists() or Path(f"{path}.py").exists() or Path(path) == _OWN or made_up


def _is_module(name: str) -> bool:
    """Whether a dotted name is a module, or something that a module names."""
    path = name.replace(".", "/")
    if _is_there(path):
        return True
    home, _, thing = path.rpartition("/")
    sources = [file for file in (Path(f"{home}.py"), Path(home) / "__init__.py") if file.exists()]
    return any(re.search(rf"\b{thing}\b", source.read_text()) for source in sources)


def test_files_and_modules_that_are_named_exist() -> None:
    named, wrong = 0, []
    for text in _texts():
        in_tests = text.parts[0] == "tests"
        for number, line in enumerate(text.read_text(errors="ignore").splitlines(), start=1):
            paths = (_IN_TESTS if in_tests else _ANY).findall(line)
            names = [] if in_tests else _MODULE.findall(line)
            named += len(paths) + len(names)
            gone = [path for path in paths if not _is_there(path)] + [name for name in names if not _is_module(name)]
            wrong += [f"{text}:{number}: {name}" for name in gone]
    assert named > 1000
    assert not wrong, "\n".join(["these names of files or modules are of none:", *wrong])


def test_patterns_in_the_project_file_match_files() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())
    ignores = project["tool"]["ruff"]["lint"]["per-file-ignores"]
    brought = project["tool"]["setuptools"]["package-data"]
    patterns = [alone for pattern in ignores for alone in _alternatives(pattern)]
    patterns += [f"{package.replace('.', '/')}/{name}" for package, names in brought.items() for name in names]
    assert not [pattern for pattern in patterns if not [*Path().glob(pattern)]]


def _alternatives(pattern: str) -> list[str]:
    """`{a,b}.py` as a.py and b.py."""
    braces = re.search(r"\{(.*?)\}", pattern)
    return [pattern.replace(braces[0], name) for name in braces[1].split(",")] if braces else [pattern]
