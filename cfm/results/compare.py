"""Two methods on the same seeds: by how much one is better, how sure that is, and how many seeds would decide it.

Data sets are pooled as geometric means (Fleming and Wallace, How not to lie with statistics: the correct way to
summarize benchmark results, CACM 29(3), 1986): of every seed the mean log ratio over the data sets, and of these
Student's paired t-test over seeds. So no data set counts more for having larger numbers. The data sets are those of
the experiment, no sample of others: the interval does not say how the two methods compare on further ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.config import Config
from cfm.metrics import metric_of
from cfm.results.columns import Column, columns
from cfm.results.statistics import LEVEL, Paired, paired, seeds_needed

if TYPE_CHECKING:
    import pandas as pd

BySeed = Mapping[int, float]


@dataclass(frozen=True)
class Line:
    """A data set, or all of them together: `result` of first minus second, or of log(first / second) where `ratio`.

    `means`: of each method over the shared seeds, geometric where `ratio`. `missing`: what is not compared, and why.
    """

    label: str
    means: tuple[float, float]
    result: Paired | None
    missing: Sequence[str] = ()
    ratio: bool = False


@dataclass(frozen=True)
class Comparison:
    """Two methods of an experiment in one metric; `pooled` is None, and `not_pooled` says why, where it cannot be."""

    experiment: str
    solver: str
    metric: str
    methods: tuple[str, str]
    lines: Sequence[Line]
    pooled: Line | None
    not_pooled: str


def compare(
    config: Config,
    experiment: str,
    runs: pd.DataFrame,
    solver: str,
    metric: str,
    methods: tuple[str, str],
    datasets: Sequence[str] = (),
) -> Comparison:
    """The two methods by their rows in `runs`, on the data sets on which both can run, or on those that are named.

    Of a metric that is best near zero, absolute values are compared.
    """
    shown = [
        column
        for column in columns(config, experiment)
        if (column.name in datasets or not datasets) and all(column.skip_reason(config, m) is None for m in methods)
    ]
    there = {*runs[runs.method.isin(methods)].dataset}
    shown = [column for column in shown if not there.isdisjoint(column.members)]
    runs = runs[runs.solver == solver]
    values = {
        column: (_values(column, runs, methods[0], metric), _values(column, runs, methods[1], metric))
        for column in shown
    }
    lines = [
        Line(
            column.label,
            _means(first, second),
            _paired(first, second),
            _missing(column, runs, metric, methods) if len(column.members) == 1 else (),
        )
        for column, (first, second) in values.items()
    ]
    single = [pair for column, pair in values.items() if len(column.members) == 1 and _paired(*pair) is not None]
    pooled, why_not = _pooled(single)
    return Comparison(experiment, solver, metric, methods, lines, pooled, why_not)


def _values(column: Column, runs: pd.DataFrame, method: str, metric: str) -> BySeed:
    zero_is_best = metric_of(metric).better == "zero"
    return {s: abs(x) if zero_is_best else x for s, x in column.by_seed(runs, method, metric).items()}


def _paired(first: BySeed, second: BySeed) -> Paired | None:
    return paired(below=second, above=first) if first.keys() & second.keys() else None


def _means(first: BySeed, second: BySeed) -> tuple[float, float]:
    shared = first.keys() & second.keys()
    if not shared:
        return math.nan, math.nan
    return sum(first[s] for s in shared) / len(shared), sum(second[s] for s in shared) / len(shared)


def _missing(column: Column, runs: pd.DataFrame, metric: str, methods: tuple[str, str]) -> Sequence[str]:
    """What is not compared on a data set: seeds of which one method or both have no value, and why not."""
    there = runs[runs.dataset.isin(column.members) & runs.method.isin(methods)]
    found = {method: column.by_seed(runs, method, metric) for method in methods}
    if not there.empty and not any(found.values()) and not (there.status == "failed").any():
        return [f"{column.label}: {metric} says nothing of these runs"]
    lines = []
    for method in methods:
        reasons: dict[str, list[int]] = {}
        mine = there[there.method == method]
        for seed in sorted({int(seed) for seed in there.seed} - found[method].keys()):
            rows = mine[mine.seed == seed]
            failed = rows[rows.status == "failed"]
            why = (
                f"failed: {failed.reason.iloc[0]}" if len(failed) else "not run" if rows.empty else f"without {metric}"
            )
            reasons.setdefault(why, []).append(seed)
        lines += [
            f"{column.label}: {method}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}: {why}"
            for why, seeds in reasons.items()
        ]
    return lines


def _pooled(values: Sequence[tuple[BySeed, BySeed]]) -> tuple[Line | None, str]:
    """All data sets together, over the seeds that both methods have on all of them; or why there is no such number."""
    if len(values) < 2:
        return None, ""
    shared = set.intersection(*({*first} & {*second} for first, second in values))
    if not shared:
        return None, "no seed is there on all data sets for both"
    if any(pair[k][seed] <= 0 for pair in values for k in (0, 1) for seed in shared):
        return None, "some values are not positive, so there are no ratios, and differences have no common scale"
    logs = [{s: sum(math.log(pair[k][s]) for pair in values) / len(values) for s in shared} for k in (0, 1)]
    means = _means(*logs)
    label = f"{len(values)} data sets, ratio"
    return Line(label, (math.exp(means[0]), math.exp(means[1])), _paired(*logs), ratio=True), ""


def better(comparison: Comparison, line: Line) -> str:
    """Which of the two is better on a line as far as the test can tell: its name, "undecided", or "-"."""
    result, direction = line.result, metric_of(comparison.metric).better
    if result is None or direction is None:
        return "-"
    if result.two_sided >= LEVEL:
        return "equal" if result.n > 1 and result.low == result.high == 0 else "undecided"
    return comparison.methods[(result.mean > 0) == (direction != "higher")]


def seeds_to_decide(result: Paired) -> str:
    """How many seeds would decide it at 80% power if the effect is the one that these seeds show."""
    if result.n == 1:
        return "2 or more"
    if result.low == result.high == 0:
        return "none would"
    if result.two_sided < LEVEL:
        return "decided already"
    needed = seeds_needed(result.effect)
    return "more than 10,000" if needed is None else str(needed)
