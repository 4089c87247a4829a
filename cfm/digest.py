"""A fingerprint of the code a stage runs, blind to comments, docstrings and layout.

Snakemake does not see edits in a package, so each rule carries this digest among its parameters: a real
edit reruns the stages (and only the methods) that use the module, a comment reruns nothing.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parent

# What these modules decide reaches a stage as its settings or its paths, which Snakemake sees anyway.
_NOT_FOLLOWED = {"cfm.config", "cfm.settings", "cfm.strict", "cfm.layout", "cfm.registry", "cfm.digest"}


@functools.cache
def code_digest(*modules: str) -> str:
    """Digest of `modules` (dotted names) and of every module of the package they import, directly or not."""
    pending, found = list(modules), set[str]()
    while pending:
        name = pending.pop()
        if name not in found and name not in _NOT_FOLLOWED:
            found.add(name)
            pending += _imports(name)
    text = "\n".join(f"{name} {_module_digest(name)}" for name in sorted(found))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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


def _imports(name: str) -> list[str]:
    found: list[str] = []
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from cfm.metrics import cost` may name a module or a thing inside one
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [module for module in found if module.split(".")[0] == PACKAGE.name and _file(module)]


@functools.cache
def _module_digest(name: str) -> str:
    tree = ast.parse(ast.unparse(_tree(name)))  # a copy, and without comments
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
