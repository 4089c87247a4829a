"""The paper's statements, and some of ours, each checked on `runs.csv`: a verdict and what it rests on.

A claim says that a metric is lower for some methods than for others (or than a bound), by a factor if it names one,
or higher by no more than a margin, on some data sets. Every such comparison is a paired t-test over seeds at level
0.05. The claim

    holds      if every comparison is significant in its direction (an intersection-union test: no correction),
    fails      if one is significant in the other direction (Bonferroni: level 0.05 / comparisons),
    undecided  otherwise, and  not run  if a comparison has no values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.artifacts.runs import read_runs
from cfm.config import BUDGETS, FOLDER, Config, available_experiments
from cfm.config.entries import by_name
from cfm.config.strict import Where, build, check_name, load_yaml
from cfm.errors import UserError
from cfm.metrics import METRICS, plain
from cfm.results.columns import Column, column
from cfm.results.statistics import LEVEL, Paired, paired

if TYPE_CHECKING:
    import pandas as pd

FILE = FOLDER / "claims.yaml"
VERDICTS = ("holds", "fails", "undecided", "not run")


@dataclass(frozen=True)
class Claim:
    """`factor` x the metric of each method in `below` is less than that of each method in `above`, or than `bound`.

    With a `margin` the lower side may be higher by as much, in the metric's unit: a test of "no worse". `place`: where
    the paper says so. `datasets`: all of the experiment where both methods run, unless given; the name of a time
    course stands for the mean over its left-out times. `budgets`: where the
    claim means something (seconds of training compare only where all methods train for as long as in the paper).
    `ours`: the paper says nothing of it.
    """

    statement: str
    place: str
    experiment: str
    metric: str
    below: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    bound: float | None = None
    factor: float = 1.0
    margin: float = 0.0
    datasets: tuple[str, ...] = ()
    solvers: tuple[str, ...] = ("rk4",)
    budgets: tuple[str, ...] = BUDGETS
    ours: bool = False

    @property
    def text(self) -> str:
        """The statement, marked where it is ours."""
        return f"(Ours) {self.statement}" if self.ours else self.statement


@dataclass(frozen=True)
class Comparison:
    """One test of a claim: where, its two sides in words, and the result; None where values are missing."""

    column: Column
    solver: str
    below: str
    above: str
    means: tuple[float, float]
    result: Paired | None


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict and what it rests on."""

    name: str
    claim: Claim
    verdict: str
    comparisons: list[Comparison]


def load_claims(config: Config) -> dict[str, Claim]:
    """Every claim by name, checked against what exists."""
    claims = {}
    for name, entry in load_yaml(FILE).items():
        where = Where(str(FILE)) / name
        claim = claims[name] = build(Claim, entry, where)
        check_name(claim.experiment, available_experiments(), "experiment", where / "experiment")
        check_name(plain(claim.metric), METRICS, "metric", where / "metric")
        for method in (*claim.below, *claim.above):
            check_name(method, config.methods, "method", where)
        for budget in claim.budgets:
            check_name(budget, BUDGETS, "budget", where / "budgets")
        for dataset in claim.datasets:
            check_name(dataset, by_name(config.datasets), "data set", where / "datasets")
        sides = [bool(claim.below), bool(claim.above), claim.bound is not None]
        if sum(sides) != 2:
            raise UserError(f"{where}: two of 'below', 'above' and 'bound' are needed")
    return claims


def judge(name: str, claim: Claim, config: Config, runs: pd.DataFrame | None) -> Judged:
    """The verdict on one claim; `runs` are those of its experiment, None if it was not run."""
    if runs is None or config.budget not in claim.budgets:
        return Judged(name, claim, "not run", [])
    runs = runs[(runs.status == "ok") & (runs.metric == claim.metric)]
    names = claim.datasets or config.experiments[claim.experiment].datasets
    found = [column(config, claim.experiment, name) for name in names]
    there = [where for where in found if where is not None]
    if len(there) < len(found):  # data that cannot be had on this machine
        return Judged(name, claim, "not run", [])
    comparisons = [
        _compare(claim, runs, where, solver, below, above)
        for where in there
        for solver in claim.solvers
        for below in claim.below or (None,)
        for above in claim.above or (None,)
        if all(m is None or where.skip_reason(config, m) is None for m in (below, above))
    ]
    return Judged(name, claim, _verdict([c.result for c in comparisons]), comparisons)


def _verdict(results: list[Paired | None]) -> str:
    if not results or any(result is None for result in results):
        return "not run"
    found = [result for result in results if result is not None]
    if all(result.p < LEVEL for result in found):
        return "holds"
    return "fails" if any(result.p_reverse < LEVEL / len(found) for result in found) else "undecided"


def _compare(
    claim: Claim, runs: pd.DataFrame, where: Column, solver: str, below: str | None, above: str | None
) -> Comparison:
    def values(method: str | None) -> dict[int, float]:
        return where.by_seed(runs[runs.solver == solver], method, claim.metric) if method else {}

    left, right = values(below), values(above)
    if claim.bound is not None:
        left = dict.fromkeys(right, claim.bound) if below is None else left
        right = dict.fromkeys(left, claim.bound) if above is None else right
    left = {seed: claim.factor * value - claim.margin for seed, value in left.items()}
    words = (f"{claim.factor:g} × " if claim.factor != 1 else "") + (below or f"{claim.bound:g}")
    sides = words + (f" − {claim.margin:g}" if claim.margin else ""), above or f"{claim.bound:g}"
    shared = left.keys() & right.keys()
    if not shared:
        return Comparison(where, solver, *sides, (float("nan"), float("nan")), None)
    means = (sum(left[s] for s in shared) / len(shared), sum(right[s] for s in shared) / len(shared))
    return Comparison(where, solver, *sides, means, paired(left, right))


def judge_all(config: Config) -> list[Judged]:
    """Every claim, judged on the `runs.csv` of its experiment."""
    paths = {name: config.layout.runs(name) for name, e in config.experiments.items() if e.datasets}
    runs = {name: read_runs(path) for name, path in paths.items() if path.exists()}
    return [judge(name, claim, config, runs.get(claim.experiment)) for name, claim in load_claims(config).items()]


def row(comparison: Comparison | None) -> dict[str, object]:
    """The columns of `claims.csv` that a comparison fills."""
    if comparison is None or comparison.result is None:
        return {}
    result = comparison.result
    return {
        "dataset": comparison.column.name,
        "solver": comparison.solver,
        "below": comparison.below,
        "above": comparison.above,
        "n": result.n,
        "mean_below": comparison.means[0],
        "mean_above": comparison.means[1],
        "difference": result.mean,
        "low": result.low,
        "high": result.high,
        "effect": result.effect,
        "p": result.p,
        "p_reverse": result.p_reverse,
    }
