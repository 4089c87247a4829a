"""The map of the code, from the code: `python docs/map.py` writes docs/architecture.md."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("architecture.md")
_HEAD = """# Architecture

`config/` says *what* the paper ran, `workflow/` *in which order*, `cfm/` *how*, `tests/` *why we believe it*.
Three hops explain a number: `Snakefile`, the experiment's file in `config/experiments`, the method's file in
`cfm/methods`.

This page is written by `python docs/map.py`; a test fails when it is out of date.

## The way of a number

| stage | rule | verb | reads | writes |
| --- | --- | --- | --- | --- |
{stages}

## Packages

An arrow is an import. `cfm` are the modules at the top, listed below.

```mermaid
graph TD
{arrows}
```

## Modules
"""
_STAGES = (  # rules file, verb, reads, writes
    ("data", "data", "files, settings", "`data.npz`"),
    ("train", "train", "`data.npz`, a teacher's network", "`model.safetensors`, `train.csv`"),
    ("sample", "sample", "`data.npz`, `model.safetensors`", "`samples/{solver}.npz`"),
    ("evaluate", "evaluate", "`samples/{solver}.npz`, `data.npz`", "`metrics.json`, `spec.json`, `provenance.json`"),
    ("tables", "collect, table", "`metrics.json` of all runs", "`runs.csv`, tables"),
    ("figures", "figure", "samples, `train.csv`, `runs.csv`", "figures with captions"),
    ("claims", "claims", "`runs.csv` of all experiments", "`claims.csv`, `claims.md`"),
)


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted((ROOT / "cfm").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree: ast.AST, known: dict[str, Path]) -> set[str]:
    """The modules of the package that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} & known.keys() or {node.module}
    return found & known.keys()


def page() -> str:
    """The text of docs/architecture.md."""
    known = modules()
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in known.items()}
    packages = {name for name, path in known.items() if path.name == "__init__.py" and name != "cfm"}
    arrows: dict[str, set[str]] = defaultdict(set)
    listed: dict[str, list[str]] = defaultdict(list)
    for name, tree in trees.items():
        home = _home(name, packages)
        arrows[home] |= {_home(other, packages) for other in imports(tree, known)} - {home}
        if name not in packages and name != "cfm":
            listed[home].append(f"| `{name.removeprefix('cfm.')}` | {_first_sentence(tree)} |")
    lines = [f"    {a} --> {b}".replace("cfm/", "") for a in sorted(arrows) for b in sorted(arrows[a])]
    stages = [f"| {s} | `workflow/rules/{s}.smk` | `{verb}` | {a} | {b} |" for s, verb, a, b in _STAGES]
    text = _HEAD.replace("{stages}", "\n".join(stages)).replace("{arrows}", "\n".join(lines))
    for home in sorted(listed):
        text += "\n".join(["", f"### {home}", "", "| module | what |", "| --- | --- |", *listed[home], ""])
    return text


def _home(name: str, packages: set[str]) -> str:
    """The package of a module, as its path: `cfm/methods`."""
    inside = [package for package in packages if f"{name}.".startswith(f"{package}.")]
    return max(inside, key=len, default="cfm").replace(".", "/")


def _first_sentence(tree: ast.Module) -> str:
    text = " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())
    return text.split(". ")[0].removesuffix(".").replace("|", r"\|") + "."


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
