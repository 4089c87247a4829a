"""The map of the code, from the code: `python docs/map.py` writes docs/architecture.md and docs/rooms.svg."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path

from picture import picture
from rooms import GROUND, ROOMS, Room, modules
from way import MAIN_WAY, WALK, Hop

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # the package need not be installed

from cfm.stages import STAGES, Stage  # noqa: E402

PAGE, PICTURE = (Path(__file__).with_name(name) for name in ("architecture.md", "rooms.svg"))
_PAGE = """# Architecture

New here? Look at the picture, then take [the walk](#the-walk): seven hops from the command to one number of Table 2.
After it you know where things are; [every module](#the-modules) is listed below with its first sentence.

`config/` says *what* the paper ran, `workflow/` *in which order*, `cfm/` *how*, `tests/` *why we believe it*.
`benchmarks/` measures speed, and `findings/` shows what other people's libraries do that one would not expect.

This page is written by `python docs/map.py`; a test fails when it is out of date.

## The rooms

The package `cfm` is a house of {count} rooms on a ground of small modules. An import may only point down: to a room
below, or within its own room. There are no circles and no exceptions (`tests/contract/test_rooms.py`). It has two
doors: `python -m cfm` (`cfm/__main__.py`) for what is typed, and `cfm.load` (`cfm/__init__.py`) for Python, which opens
its room only when it is called, so that `import cfm` loads nothing.

![The rooms of the package from roof to ground, with what flows in and out of each]({picture})

| room | what | flows in | flows out |
| --- | --- | --- | --- |
{rooms}

## The way of a number

Snakemake runs a rule when what it reads has changed, the rule calls a verb of `python -m cfm`, the verb calls a stage.
Where the files are: [Where results are](results.md).

| rules | verb | reads | writes |
| --- | --- | --- | --- |
{stages}

## The walk

How the normalised path error (NPE) of OT-CFM on moons → 8gaussians gets into Table 2.

{walk}

## The modules
{modules}"""


def page() -> str:
    """The text of docs/architecture.md."""
    return _PAGE.format(
        count=len(ROOMS),
        picture=PICTURE.name,
        rooms="\n".join(_room(room) for room in (*ROOMS, GROUND)),
        stages="\n".join(_stage(*item) for item in STAGES.items()),
        walk="\n".join(f"{number}. {_hop(hop)}" for number, hop in enumerate(WALK, start=1)),
        modules=_modules(),
    )


def house() -> str:
    """The text of docs/rooms.svg."""
    written = {verb: stage.writes.split("`")[1] for verb, stage in STAGES.items()}
    return picture(ROOMS, GROUND, [(verb, written[verb]) for verb in MAIN_WAY])


def _room(room: Room) -> str:
    return f"| `{room.name}` | {room.what} | {room.takes} | {room.gives} |"


def _stage(verb: str, stage: Stage) -> str:
    return f"| `workflow/rules/{stage.rules}.smk` | `{verb}` | {stage.reads} | {stage.writes} |"


def _hop(hop: Hop) -> str:
    links = ", ".join(f"[`{name}` in {file}](../{file})" for file, name in hop.where)
    return f"**{hop.name}**: {links}. {hop.what}"


def _modules() -> str:
    """A section for each room, from the roof down, with its modules and the first sentences of their docstrings."""
    known = modules(ROOT / "cfm")
    packages = {name for name, path in known.items() if path.name == "__init__.py" and name != "cfm"}
    listed: dict[str, list[str]] = defaultdict(list)
    for name, path in known.items():
        if name not in packages and name != "cfm":
            what = _first_sentence(ast.parse(path.read_text(encoding="utf-8")))
            listed[_home(name, packages)].append(f"| `{name.removeprefix('cfm.')}` | {what} |")
    rooms = [room.name for room in (*ROOMS, GROUND)]
    return "".join(
        "\n".join(["", f"### {home}", "", "| module | what |", "| --- | --- |", *listed[home], ""])
        for home in sorted(listed, key=lambda home: (rooms.index((home.split("/") * 2)[1]), home))
    )


def _home(name: str, packages: set[str]) -> str:
    """The package of a module, as its path: `cfm/methods`."""
    inside = [package for package in packages if f"{name}.".startswith(f"{package}.")]
    return max(inside, key=len, default="cfm").replace(".", "/")


def _first_sentence(tree: ast.Module) -> str:
    text = " ".join((ast.get_docstring(tree) or "").split("\n\n")[0].split())
    return text.split(". ")[0].removesuffix(".").replace("|", r"\|") + "."


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    PICTURE.write_text(house(), encoding="utf-8")
