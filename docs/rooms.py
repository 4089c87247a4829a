"""The rooms of the package from the roof down, and the imports between its modules, which may only point down."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple


class Room(NamedTuple):
    """A package of `cfm`: what is in it, what flows in (nothing into the ground), what flows out."""

    name: str
    what: str
    takes: str
    gives: str


# `cfm/__main__.py` is the door above the first of them.
ROOMS = (
    Room("cli", "what a user types: a function for each verb", "`python -m cfm VERB …`", "one call of a stage"),
    Room(
        "results",
        "everything made of runs.csv and samples",
        "`runs.csv`, samples, `train.csv`",
        "tables, figures, claims, the report",
    ),
    Room(
        "workflow",
        "what surrounds Snakemake: jobs, their states, schedulers",
        "jobs, settings",
        "states of runs, digests of code",
    ),
    Room(
        "stages",
        "read files, call the mathematics, write files",
        "paths, checked settings",
        "the files between the stages",
    ),
    Room(
        "config", "what config/ may say: read, checked, resolved for one budget", "`config/*.yaml`", "checked settings"
    ),
    Room(
        "training",
        "the loop that trains several seeds in one process",
        "a method, prepared points",
        "trained networks, their losses",
    ),
    Room(
        "artifacts",
        "the files between the stages, a module for each kind",
        "arrays, networks, numbers",
        "checked files, and back",
    ),
    Room("metrics", "numbers of samples", "samples, test points", "one number each"),
    Room(
        "methods",
        "couple, loss, sample: what is learnt, and how",
        "points x0 and x1, a network",
        "pairs, a loss, samples",
    ),
    Room("datasets", "marginals: samples that are drawn or read", "settings, files", "points at every time"),
    Room(
        "solvers",
        "dx/dt = v, dx = b dt + σ dW, and log p along them",
        "a field, points x0",
        "trajectories, log densities",
    ),
    Room("nets", "networks, those that judge pictures too", "times t, points x", "velocities, features"),
    Room(
        "couplings", "q(x0, x1): which source point goes with which target point", "points x0 and x1", "pairs of rows"
    ),
)
GROUND = Room(
    "cfm",
    "the vocabulary: the modules at the top, which all rooms import",
    "",
    "errors, settings, random streams",
)


class Import(NamedTuple):
    """An import, anywhere in a module: at its top, in a function, or for type checkers only."""

    importer: str
    line: int
    imported: str

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}, imports {self.imported}"


def modules(package: Path) -> dict[str, Path]:
    """Every module of a package by its dotted name; `a.b` stands for a/b/__init__.py too."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: Path) -> list[Import]:
    """The imports between the modules of a package.

    Importing a.b.c runs a/b/__init__.py first. That is an import of a.b as well, unless the importer itself is in a.b.
    """
    known, found = modules(package), []
    for importer, path in known.items():
        mine = {importer, *_above(importer)}
        for line, name in imported_names(path, importer):
            imported = name if name in known else name.rpartition(".")[0]
            if imported in known:
                run_first = [above for above in _above(imported) if above not in mine]
                found += [Import(importer, line, each) for each in (imported, *run_first)]
    return [*dict.fromkeys(found)]  # `from a import b, c` is one import


def imported_names(path: Path, module: str) -> Iterator[tuple[int, str]]:
    """What a module imports, with the line: `a.b` for `import a.b`, `a.b.c` for `from a.b import c`."""
    home = (module if path.name == "__init__.py" else module.rpartition(".")[0]).split(".")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = home[: len(home) - node.level + 1] if node.level else []
            source = [*start, *([node.module] if node.module else [])]
            yield from ((node.lineno, ".".join([*source, alias.name])) for alias in node.names)


def upward(found: Sequence[Import], rooms: Sequence[str]) -> list[Import]:
    """The imports of a room above one's own."""
    return [edge for edge in found if floor(edge.imported, rooms) < floor(edge.importer, rooms)]


def floor(module: str, rooms: Sequence[str]) -> int:
    """How far below the roof a module is: `__main__` is above all rooms, the modules at the top are the ground."""
    inside = module.split(".")[1:2]
    if inside == ["__main__"]:
        return -1
    return rooms.index(inside[0]) if inside and inside[0] in rooms else len(rooms)


def cycle(found: Sequence[Import]) -> list[str]:
    """Modules that import each other in a circle, the first once more at the end; none if there is no circle."""
    graph = defaultdict(set)
    for edge in found:
        graph[edge.importer].add(edge.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def _above(module: str) -> list[str]:
    """The packages that a module is in: a.b and a of a.b.c."""
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]
