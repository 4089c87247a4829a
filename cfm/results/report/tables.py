"""The tables of an experiment as the page shows them: with columns that can be sorted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from cfm.artifacts.layout import TABLE_SUFFIXES
from cfm.config import Config
from cfm.results.report.text import cell, rich
from cfm.results.tables.base import Grid, render

_NO_VALUE = ("—", "not measured", "failed")
_NUMBER = re.compile(r"\**(-?\d[\d.]*(?:e[+-]?\d+)?)")


@dataclass(frozen=True)
class Cell:
    """What is shown and the number it is sorted by; without one it comes last."""

    html: Markup
    order: float | None


@dataclass(frozen=True)
class Block:
    """A grid: what stands above it, the names of its columns, whether each holds numbers, and its rows."""

    title: str
    columns: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class TableView:
    """A table with its place in the paper, caption, footnotes and files; `files` are relative to the page."""

    name: str
    paper: str | None
    caption: str
    blocks: Sequence[Block]
    notes: Sequence[Markup]
    files: Sequence[Path]


def tables(config: Config, experiment: str) -> list[TableView]:
    """Those that can be made now: all, once the experiment's runs are collected."""
    settings, layout = config.experiments[experiment], config.layout
    if config.asked[experiment].datasets and not layout.runs(experiment).exists():
        return []
    found = []
    for name, table in settings.tables.items():
        rendered = render(config, experiment, table)
        paths = [layout.table(experiment, name, suffix) for suffix in TABLE_SUFFIXES]
        files = [path.relative_to(layout.root) for path in paths if path.exists()]
        notes = [rich(note) for note in rendered.footnotes]
        found.append(TableView(name, table.paper, table.caption, [block(g) for g in rendered.grids], notes, files))
    return found


def block(grid: Grid) -> Block:
    """A grid with the order of its cells; a column is of numbers if more than half of its values begin with one."""
    rows = [[Cell(cell(text), _order(text)) for text in row] for row in grid.rows]
    numeric = [False]
    for k in range(1, len(grid.columns)):
        valued = [row for row, texts in zip(rows, grid.rows, strict=True) if texts[k].split("<br>")[0] not in _NO_VALUE]
        numeric.append(2 * sum(row[k].order is not None for row in valued) > len(valued))
    return Block(grid.title, grid.columns, numeric, rows)


def _order(text: str) -> float | None:
    found = _NUMBER.match(text)
    return float(found[1]) if found else None
