"""The methods of an experiment that are not the paper's against its OT-CFM: own ones too, without asking for them."""

from __future__ import annotations

from dataclasses import dataclass

from cfm.artifacts.runs import read_runs
from cfm.config import Config
from cfm.metrics import metric_label, metric_of
from cfm.results.compare import Comparison, better, compare, seeds_to_decide
from cfm.results.compare_text import difference
from cfm.results.report.tables import Block, block
from cfm.results.tables.base import Grid

_AGAINST = "OT-CFM"  # the name in the paper of the method that others are compared with


@dataclass(frozen=True)
class Beside:
    """`grid`: a row per method, a column per metric; `against`: the name and label of what they are compared with."""

    against: str
    label: str
    grid: Block


def beside(config: Config, experiment: str) -> Beside | None:
    """Of the metrics of the experiment's first table, pooled over data sets; None where there is nothing to compare."""
    path = config.layout.runs(experiment)
    tables = [table for table in config.experiments[experiment].tables.values() if table.metrics and table.solver]
    trained = [m for m in config.methods_of(experiment) if config.methods[m].method.trained]
    papers = [m for m in trained if config.methods[m].entry.paper == _AGAINST]
    if not path.exists() or not tables or not papers:
        return None
    against, solver = papers[0], str(tables[0].solver)
    runs = read_runs(path)
    metrics = [m for m in tables[0].metrics if metric_of(m).better is not None and metric_of(m).unit != "s"]
    rows = []
    for method in trained:
        if config.methods[method].entry.paper is None and method in {*runs.method}:
            found = [compare(config, experiment, runs, solver, metric, (method, against)) for metric in metrics]
            cells = [_cell(config, comparison) for comparison in found]
            if {*cells} != {"—"}:
                rows.append([config.methods[method].entry.label, *cells])
    label = config.methods[against].entry.label
    columns = ["method", *(metric_label(metric) for metric in metrics)]
    return Beside(against, label, block(Grid("", columns, rows))) if rows else None


def _cell(config: Config, comparison: Comparison) -> str:
    compared = [line for line in comparison.lines if line.result is not None]
    line = comparison.pooled or (compared[0] if len(compared) == 1 else None)
    if line is None or line.result is None:
        return f"— ({comparison.not_pooled})" if comparison.not_pooled else "—"
    result = line.result
    if result.n == 1:
        return f"{difference(line)} (n=1), one seed decides nothing"
    winner, decides = better(comparison, line), seeds_to_decide(result)
    word = f"{config.methods[winner].entry.label} is better" if winner in config.methods else winner
    more = f", {decides} seeds would decide" if winner == "undecided" else ""
    return f"{difference(line)} (n={result.n})<br>p = {result.two_sided:.2g}: {word}{more}"
