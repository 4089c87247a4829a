"""Making a table: csv for programs, markdown for reading, LaTeX for papers."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cfm.config import Config
from cfm.files import write_text
from cfm.settings import Table


@dataclass(frozen=True)
class Grid:
    """A table as text: `columns`, `rows` of cells (markdown), a title and footnotes."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Rendered:
    """What a kind of table returns: its csv text, its grids, and footnotes below them."""

    csv: str
    grids: Sequence[Grid]
    footnotes: Sequence[str]


def make(config: Config, experiment: str, name: str) -> None:
    """Write a table of an experiment in its three formats."""
    table: Table = config.experiments[experiment].tables[name]
    rendered = render(config, experiment, table)
    formats = {"csv": rendered.csv, "md": markdown(table, rendered), "tex": latex(table, rendered)}
    for suffix, text in formats.items():
        write_text(config.layout.table(experiment, name, suffix), text)


def render(config: Config, experiment: str, table: Table) -> Rendered:
    """The table as its kind makes it of the experiment's `runs.csv`."""
    rendered: Rendered = importlib.import_module(f"cfm.results.tables.{table.kind}").render(config, experiment, table)
    return rendered


def markdown(table: Table, rendered: Rendered) -> str:
    """The grids one below the other, as GitHub's markdown."""
    lines = [table.caption, ""]
    for grid in rendered.grids:
        lines += [f"**{grid.title}**", ""] if grid.title else []
        lines.append("| " + " | ".join(grid.columns) + " |")
        lines.append("|" + " --- |" * len(grid.columns))
        lines += ["| " + " | ".join(row) + " |" for row in grid.rows]
        lines.append("")
    lines += [f"- {note}" for note in rendered.footnotes]
    return "\n".join(lines) + "\n"


def latex(table: Table, rendered: Rendered) -> str:
    """The grids as booktabs tabulars inside one table environment."""
    lines = [r"\begin{table}", rf"\caption{{{_tex(table.caption)}}}", r"\centering"]
    for grid in rendered.grids:
        lines += [rf"\textbf{{{_tex(grid.title)}}}\par"] if grid.title else []
        lines += [r"\begin{tabular}{" + "l" * len(grid.columns) + "}", r"\toprule"]
        lines += [" & ".join(map(_tex, grid.columns)) + r" \\", r"\midrule"]
        lines += [" & ".join(map(_tex, row)) + r" \\" for row in grid.rows]
        lines += [r"\bottomrule", r"\end{tabular}\par\medskip"]
    lines += [rf"{{\footnotesize {_tex(note)}\par}}" for note in rendered.footnotes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


_TEX = {
    "\\": r"\textbackslash{}",
    **{c: "\\" + c for c in "&%$#_{}"},
    "^": r"\^{}",
    "~": r"\~{}",
    "±": r"$\pm$",
    "→": r"$\to$",
    "σ": r"$\sigma$",
    "π": r"$\pi$",
    "α": r"$\alpha$",
    "√": r"$\sqrt{\ }$",
    "²": r"$^2$",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "−": r"$-$",
    "—": "---",
    "≤": r"$\le$",
    "·": r"$\cdot$",
    "ε": r"$\varepsilon$",
    "₁": r"$_1$",
    "₋": r"$_-$",
    "ₜ": r"$_t$",
}


def _tex(text: str) -> str:
    escaped = "".join(_TEX.get(character, character) for character in text.replace("<br>", " "))
    return re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", escaped)
