"""Ours next to the paper's: mean ± standard deviation over seeds for methods x data sets x metrics."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from cfm.artifacts.runs import read_runs
from cfm.config import Config
from cfm.metrics import metric_label, metric_of, plain
from cfm.results.columns import ALL, Column, columns
from cfm.results.protocol import as_published, below_floor, differences, floor
from cfm.results.published import MARKS, Published, load_published
from cfm.results.statistics import Best, indistinguishable
from cfm.results.tables._cells import NOT_COMPARABLE, Cell, letters, number
from cfm.results.tables._footnotes import footnotes
from cfm.results.tables.base import Grid, Rendered
from cfm.settings import Table

if TYPE_CHECKING:
    import pandas as pd

_SIGNS = {"agrees": " ✓", "differs": " ✗"}


def render(config: Config, experiment: str, table: Table) -> Rendered:
    """All cells as csv, one markdown grid per metric."""
    import pandas as pd

    runs = read_runs(config.layout.runs(experiment))
    runs = runs[runs.solver == table.solver]
    published, theirs = load_published(), as_published(config, experiment)
    cells: list[Cell] = []
    best: list[Best] = []
    blocks: dict[str, tuple[list[Column], list[list[Cell]]]] = {}
    for metric, paper_name in table.metrics.items():
        shown = columns(config, experiment)
        if any(key[0] == table.paper and key[2:] == (ALL, paper_name) for key in published):
            every = config.experiments[experiment].datasets
            shown.append(Column(ALL, "mean over data sets", every, ALL))
        block = [
            [_cell(config, table, runs, published, method, column, metric) for column in shown]
            for method in config.methods_of(experiment)
        ]
        found = {column.name: _best(config, experiment, runs, column, metric) for column in shown}
        block = [[replace(cell, best=cell.method in found[cell.dataset].names) for cell in row] for row in block]
        block = _comparable(config, theirs, experiment, table, runs, shown, block)
        cells += [cell for row in block for cell in row]
        best += found.values()
        blocks[metric] = shown, block
    marks = letters(cells)
    grids = [_grid(config, metric, marks, *shown_block) for metric, shown_block in blocks.items()]
    csv: str = pd.DataFrame([asdict(cell) for cell in cells]).to_csv(index=False)
    seeds = {*runs.seed.astype(int)}
    return Rendered(csv, grids, footnotes(config, experiment, table, cells, best, seeds))


def _comparable(
    config: Config,
    published: Config,
    experiment: str,
    table: Table,
    runs: pd.DataFrame,
    shown: list[Column],
    block: list[list[Cell]],
) -> list[list[Cell]]:
    """The cells of a metric, with a verdict on agreement only where nothing is known to differ from the paper's way."""
    methods = config.methods_of(experiment)
    reached = {column.name: floor(config, runs, column, block[0][0].metric, methods) for column in shown}

    def checked(cell: Cell) -> Cell:
        if cell.paper_mean is None or cell.deviations is None:
            return cell
        found = differences(config, published, experiment, table, cell.method, cell.metric)
        found += below_floor(cell.paper_mean, reached[cell.dataset])
        return replace(cell, verdict=f"{NOT_COMPARABLE} ({'; '.join(found)})") if found else cell

    return [[checked(cell) for cell in row] for row in block]


def _cell(
    config: Config,
    table: Table,
    runs: pd.DataFrame,
    published: dict[tuple[str, str, str | None, str], Published],
    method: str,
    column: Column,
    metric: str,
) -> Cell:
    entry = config.methods[method].entry
    paper = published.get((table.paper or "", entry.paper or "", column.paper, table.metrics[metric]))
    theirs = (
        paper.mean if paper else None,
        paper.std if paper else None,
        paper.confidence if paper else "",
    )
    reason = column.skip_reason(config, method)
    if reason:
        return Cell(method, column.name, metric, 0, None, None, *theirs, "not applicable", reason)
    timing = metric_of(metric).unit == "s"
    if timing and not config.methods[method].method.trained:
        return Cell(method, column.name, metric, 0, None, None, *theirs, "not applicable", "")
    mine = runs[(runs.method == method) & runs.dataset.isin(column.members)]
    failed = mine[mine.status == "failed"]
    note = f"{len(failed)} failed: {failed.reason.iloc[0]}" if len(failed) else ""
    values = column.by_seed(runs, method, metric)
    if not values:
        applies = _applies(runs, mine, method, column, metric)
        found = "failed" if note else "not measured" if applies else "not applicable"
        return Cell(method, column.name, metric, 0, None, None, *theirs, found, note)
    mean = statistics.fmean(values.values())
    std = statistics.stdev(values.values()) if len(values) > 1 else None
    found = "another machine" if timing else verdict(mean, std, paper)
    away = None if timing else deviations(mean, std, paper)
    return Cell(method, column.name, metric, len(values), mean, std, *theirs, found, note, deviations=away)


def _applies(runs: pd.DataFrame, mine: pd.DataFrame, method: str, column: Column, metric: str) -> bool:
    """Does a metric say anything of a method on a data set? Not if their runs lack what others of the experiment have.

    Where there are no such runs those of the method on other data sets tell, and those of others on this one.
    """
    name = plain(metric)  # not every method is carried over the large test set
    with_it = runs[runs.metric == name]
    if with_it.empty or not mine.empty:
        return with_it.empty or name in set(mine.metric)
    done = runs[runs.status == "ok"]
    here = done[done.dataset.isin(column.members)]
    # Where others have it, this method never has; what has it elsewhere, never has it here.
    others_have_it = done[(done.method == method) & done.dataset.isin(with_it.dataset)]
    have_it_elsewhere = here[here.method.isin(with_it.method)]
    never_of_method = len(others_have_it) and method not in set(with_it.method)
    never_here = len(have_it_elsewhere) and not with_it.dataset.isin(column.members).any()
    return not (never_of_method or never_here)


def _best(config: Config, experiment: str, runs: pd.DataFrame, column: Column, metric: str) -> Best:
    """The trained methods that are best in a column; seconds, means over all data sets and metrics of which neither
    higher nor lower values are better are not compared.

    What is the same for all of them, a fact about the data, says nothing either.
    A method that is worse than staying put on some seed is none of them: it diverged there, and the spread that this
    gives it would hide any difference.
    """
    known = metric_of(metric)
    if column.name == ALL or known.unit == "s" or known.better is None:
        return Best()
    found = {name: column.by_seed(runs, name, metric) for name in config.methods_of(experiment)}
    values = {name: {seed: known.badness(x) for seed, x in mine.items()} for name, mine in found.items() if mine}
    still = values.get("identity", {})
    sane = {
        name: mine
        for name, mine in values.items()
        if config.methods[name].method.trained
        and not any(value > still[seed] for seed, value in mine.items() if seed in still)
    }
    if len({value for mine in sane.values() for value in mine.values()}) == 1:
        return Best()
    return indistinguishable(sane)


def deviations(mean: float, std: float | None, paper: Published | None) -> float | None:
    """How many combined standard deviations sqrt(s^2 + s_paper^2) our mean and the published one are apart.

    Where one of the two deviations is missing the other one stands alone; None without either, or a published mean.
    """
    spread = math.hypot(std or 0.0, (paper.std or 0.0) if paper else 0.0)
    return None if paper is None or paper.mean is None or spread == 0 else abs(mean - paper.mean) / spread


def verdict(mean: float, std: float | None, paper: Published | None) -> str:
    """Does our mean lie within three combined standard deviations of the published one?"""
    if paper is None or paper.mean is None:
        return "no published value"
    away = deviations(mean, std, paper)
    if away is None:
        return "no published spread"
    found = "agrees" if away <= 3 else "differs"
    return (
        found if paper.confidence == "confirmed" else f"{found} (published value {paper.confidence.replace('_', ' ')})"
    )


def _grid(config: Config, metric: str, marks: dict[str, str], shown: list[Column], block: list[list[Cell]]) -> Grid:
    rows = []
    for row in block:
        label = config.methods[row[0].method].entry.label
        rows.append([label, *(f"{_ours(cell)}<br>{_paper(cell, marks)}".removesuffix("<br>") for cell in row)])
    known = metric_of(metric)
    heading = f"{metric_label(metric)} ({metric}, {known.unit}; {known.direction})"
    return Grid(heading, ["method", *(column.label for column in shown)], rows)


def _ours(cell: Cell) -> str:
    if cell.mean is None:
        return "—" if cell.verdict == "not applicable" else cell.verdict
    text = number(cell.mean) + (f" ± {number(cell.std)}" if cell.std is not None else "")
    text = f"**{text}**" if cell.best else text
    failed = f", {cell.note.split(':')[0]}" if cell.note else ""
    return f"{text} (n={cell.n}{failed})"


def _paper(cell: Cell, marks: dict[str, str]) -> str:
    if cell.paper_confidence == "not_applicable":
        return "paper: —"
    if cell.paper_mean is None:
        return ""
    spread = f" ± {number(cell.paper_std)}" if cell.paper_std is not None else ""
    sign = f" [{marks[cell.verdict]}]" if cell.verdict in marks else _SIGNS.get(cell.verdict.split(" ")[0], "")
    return f"paper: {number(cell.paper_mean)}{spread}{MARKS[cell.paper_confidence]}{sign}"
