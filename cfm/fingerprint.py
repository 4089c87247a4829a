"""Digests: of settings, of files, and of the code a stage runs, blind to comments, docstrings and where modules are.

Snakemake does not see edits in a package, so each rule carries this digest among its parameters: a real edit reruns
the stages (and only the methods) that use the module; a comment, or moving and renaming modules, reruns nothing. So no
name of a module enters: an import counts as the content of what it names.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cfm.errors import UserError

PACKAGE = Path(__file__).parent

# What these modules decide reaches a stage as its settings or its paths, which Snakemake sees anyway.
_NOT_FOLLOWED = {
    "cfm.config",
    *(f"cfm.config.{name}" for name in ("check", "config", "loader", "registry", "strict")),
    "cfm.settings",
    "cfm.artifacts.layout",
    "cfm.fingerprint",
}


def as_json(value: Any) -> Any:
    """Dataclasses and tuples inside `value` as dicts and lists, ready for sorted JSON.

    Without the fields that are marked as `later` ones and not given, and with former names (cfm/settings.py).
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = [(field.metadata, field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
        return {m.get("formerly", k): as_json(v) for m, k, v in given if v is not None or "later" not in m}
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value


def canonical(value: Any) -> str:
    """Sorted, compact JSON: equal settings give equal text."""
    return json.dumps(as_json(value), sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    """A short name for a text."""
    return _hashed(text)[:16]


def file_digest(path: Path) -> str:
    """sha256 of a file; `UserError` if it is not there."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise UserError(f"{path}: missing; `make reproduce` writes it") from None


@functools.cache
def code_digest(*modules: str) -> str:
    """Digest of `modules` (dotted names) and of every module of the package they import, directly or not."""
    pending, found = list(modules), set[str]()
    while pending:
        name = pending.pop()
        if name not in found and name not in _NOT_FOLLOWED:
            found.add(name)
            pending += [imported.module for imported in _imports(name)]
    return digest("\n".join(sorted(_with_imports(name) for name in found)))


def _file(name: str) -> Path | None:
    base = PACKAGE.parent / Path(*name.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


@functools.cache
def _tree(name: str) -> ast.Module:
    path = _file(name)
    assert path is not None, name
    return ast.parse(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class _Import:
    """A module that is imported, whole or for a thing in it, and the name that this has from there on."""

    module: str
    thing: str
    bound: str


def _imports(name: str) -> Iterator[_Import]:
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.Import):
            yield from (_Import(alias.name, "", alias.asname or "") for alias in node.names if _ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and _ours(node.module):
            for alias in node.names:
                yield _Import(node.module, alias.name, alias.asname or alias.name)
                inside = f"{node.module}.{alias.name}"  # `from cfm.metrics import cost` may name a module
                if _ours(inside):
                    yield _Import(inside, "", alias.asname or alias.name)


def _ours(module: str) -> bool:
    return module.split(".")[0] == PACKAGE.name and _file(module) is not None


@functools.cache
def _alone(name: str) -> str:
    """Digest of a module by itself."""
    modules = {imported.bound: "module" for imported in _imports(name) if not imported.thing}
    return _hashed(_bare(name, tuple(sorted(modules.items()))))


@functools.cache
def _with_imports(name: str) -> str:
    """Digest of a module and of where its names come from, every module standing for what is in it."""
    modules = {i.bound: _content(i.module) for i in _imports(name) if not i.thing}
    things = {f"{_content(i.module)} {i.thing} {i.bound}" for i in _imports(name) if i.bound not in modules}
    return _hashed("\n".join([_bare(name, tuple(sorted(modules.items()))), *sorted(things)]))


def _content(module: str) -> str:
    return "settings" if module in _NOT_FOLLOWED else _alone(module)


@functools.cache
def _bare(name: str, modules: tuple[tuple[str, str], ...]) -> str:
    return ast.dump(_Bare(dict(modules)).visit(copy.deepcopy(_tree(name))))


class _Bare(ast.NodeTransformer):
    """Takes out docstrings and imports of the package, and writes something else for the names of its modules."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self.modules = modules

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Any node: what has a docstring loses it."""
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
        return super().generic_visit(node)

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        node.names = [alias for alias in node.names if not _ours(alias.name)]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module and _ours(node.module) else node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.modules.get(node.id, node.id), node.ctx)


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
