"""Ours next to the paper's: mean ± standard deviation over seeds for methods x data sets x metrics."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from cfm.artifacts.runs import read_runs
from cfm.config import Config
from cfm.config.seeds import spans
from cfm.metrics import is_large, metric_label, metric_of, plain
from cfm.results.columns import ALL, Column, columns
from cfm.results.published import MARK_NOTES, MARKS, Published, load_published
from cfm.results.statistics import indistinguishable
from cfm.results.tables.base import Grid, Rendered
from cfm.settings import Table, Training

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Cell:
    """A row of the csv: our mean and standard deviation (n - 1) over n seeds, the paper's, and the verdict.

    `best`: not distinguishable from the best trained method on its data set (paired test over seeds).
    """

    method: str
    dataset: str
    metric: str
    n: int
    mean: float | None
    std: float | None
    paper_mean: float | None
    paper_std: float | None
    paper_confidence: str
    verdict: str
    note: str
    best: bool = False


def render(config: Config, experiment: str, table: Table) -> Rendered:
    """All cells as csv, one markdown grid per metric."""
    import pandas as pd

    runs = read_runs(config.layout.runs(experiment))
    runs = runs[runs.solver == table.solver]
    published = load_published()
    cells: list[Cell] = []
    grids: list[Grid] = []
    for metric, paper_name in table.metrics.items():
        shown = columns(config, experiment)
        if any(key[0] == table.paper and key[2:] == (ALL, paper_name) for key in published):
            every = config.experiments[experiment].datasets
            shown.append(Column(ALL, "mean over data sets", every, ALL))
        block = [
            [_cell(config, table, runs, published, method, column, metric) for column in shown]
            for method in config.methods_of(experiment)
        ]
        best = {column.name: _best(config, experiment, runs, column, metric) for column in shown}
        block = [[replace(cell, best=cell.method in best[cell.dataset]) for cell in row] for row in block]
        cells += [cell for row in block for cell in row]
        grids.append(_grid(config, metric, shown, block))
    csv: str = pd.DataFrame([asdict(cell) for cell in cells]).to_csv(index=False)
    return Rendered(csv, grids, _footnotes(config, experiment, table, cells, {*runs.seed.astype(int)}))


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
        found = "failed" if note else "not measured" if _applies(runs, mine, metric) else "not applicable"
        return Cell(method, column.name, metric, 0, None, None, *theirs, found, note)
    mean = statistics.fmean(values.values())
    std = statistics.stdev(values.values()) if len(values) > 1 else None
    found = "another machine" if timing else verdict(mean, std, paper)
    return Cell(method, column.name, metric, len(values), mean, std, *theirs, found, note)


def _applies(runs: pd.DataFrame, mine: pd.DataFrame, metric: str) -> bool:
    """Does a metric say anything of a method's runs? Not if they lack what others of the experiment have."""
    name = plain(metric)  # not every method is carried over the large test set
    return mine.empty or name in set(mine.metric) or name not in set(runs.metric)


def _best(config: Config, experiment: str, runs: pd.DataFrame, column: Column, metric: str) -> set[str]:
    """The trained methods that are best in a column; seconds and means over all data sets are not compared.

    What is the same for all of them, a fact about the data, says nothing either.
    A method that is worse than staying put on some seed is none of them: it diverged there, and the spread that this
    gives it would hide any difference.
    """
    known = metric_of(metric)
    if column.name == ALL or known.unit == "s":
        return set()
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
        return set()
    return indistinguishable(sane)


def verdict(mean: float, std: float | None, paper: Published | None) -> str:
    """Does our mean lie within three combined standard deviations sqrt(s^2 + s_paper^2) of the published one?

    Where one of the two deviations is missing the other one stands alone.
    """
    if paper is None or paper.mean is None:
        return "no published value"
    spread = math.hypot(std or 0.0, paper.std or 0.0)
    if spread == 0:
        return "no published spread"
    found = "agrees" if abs(mean - paper.mean) <= 3 * spread else "differs"
    return (
        found if paper.confidence == "confirmed" else f"{found} (published value {paper.confidence.replace('_', ' ')})"
    )


def _grid(config: Config, metric: str, shown: list[Column], block: list[list[Cell]]) -> Grid:
    rows = []
    for row in block:
        label = config.methods[row[0].method].entry.label
        rows.append([label, *(f"{_ours(cell)}<br>{_paper(cell)}".removesuffix("<br>") for cell in row)])
    known = metric_of(metric)
    heading = f"{metric_label(metric)} ({metric}, {known.unit}; {known.better} is better)"
    return Grid(heading, ["method", *(column.label for column in shown)], rows)


def _ours(cell: Cell) -> str:
    if cell.mean is None:
        return "—" if cell.verdict == "not applicable" else cell.verdict
    text = number(cell.mean) + (f" ± {number(cell.std)}" if cell.std is not None else "")
    text = f"**{text}**" if cell.best else text
    failed = f", {cell.note.split(':')[0]}" if cell.note else ""
    return f"{text} (n={cell.n}{failed})"


def _paper(cell: Cell) -> str:
    if cell.paper_confidence == "not_applicable":
        return "paper: —"
    if cell.paper_mean is None:
        return ""
    spread = f" ± {number(cell.paper_std)}" if cell.paper_std is not None else ""
    sign = {"agrees": " ✓", "differs": " ✗"}.get(cell.verdict.split(" ")[0], "")
    return f"paper: {number(cell.paper_mean)}{spread}{MARKS[cell.paper_confidence]}{sign}"


def number(value: float) -> str:
    """Three decimals below 100, whole numbers above."""
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"


def _footnotes(config: Config, experiment: str, table: Table, cells: list[Cell], seeds: set[int]) -> list[str]:
    settings = config.experiments[experiment]
    sizes = settings.sizes
    large = any(is_large(metric) for metric in table.metrics)
    points = "" if sizes is None else f", {sizes.test_large if large else sizes.test} test points"
    notes = [
        f"Ours: mean ± standard deviation over n seeds ({spans(seeds) or 'none'}), budget '{config.budget}', solver "
        f"{table.solver}{points}.",
        "Bold: the best trained method on a data set, and those that a paired t-test over seeds (one-sided, 5%) cannot "
        "tell from it, if they are better than staying put (Identity) on every seed.",
        "✓ / ✗: our mean is / is not within three combined standard deviations of the published one.",
    ]
    used = {MARKS.get(cell.paper_confidence, "") for cell in cells}
    notes += [text for mark, text in MARK_NOTES.items() if mark in used]
    reasons = sorted({(cell.method, cell.note) for cell in cells if cell.verdict == "not applicable" and cell.note})
    notes += [f"— {config.methods[method].entry.label}: {reason}." for method, reason in reasons]
    notes += sorted(
        {f"{config.methods[c.method].entry.label}, {c.dataset}: {c.note}" for c in cells if "failed" in c.note}
    )
    notes += [
        f"{config.methods[name].entry.label} is trained with other settings: {_differences(own, settings.train)}."
        for name, own in settings.train_of.items()
        if name in config.methods_of(experiment)
    ]
    notes.append("The rows marked (control) are the ceiling and the noise floor of distances at this sample size.")
    notes.append("Provenance of every run: provenance.json in its folder; all values: runs.csv.")
    return notes


def _differences(own: Training, common: Training | None) -> str:
    changed = {key: value for key, value in asdict(own).items() if common is None or value != getattr(common, key)}
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in changed.items())
