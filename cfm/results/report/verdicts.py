"""The claims as the page shows them: verdict, what decided it, and every comparison behind it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from cfm.config import Config
from cfm.metrics import metric_of
from cfm.results.claims.judge import VERDICTS, Comparison, Judged, judge_all
from cfm.results.claims.report import opinion
from cfm.results.claims.summary import was_run
from cfm.results.report.tables import Block, block
from cfm.results.report.text import rich
from cfm.results.tables.base import Grid
from cfm.results.timing import warning


@dataclass(frozen=True)
class Verdict:
    """A claim: what the paper says (or we do) and where, was its experiment run, the verdict in a word and a sentence,
    and the comparisons."""

    name: str
    statement: str
    ours: bool
    place: str
    experiment: str
    run: bool
    word: str
    opinion: Markup
    evidence: Block | None


def verdicts(config: Config) -> list[Verdict]:
    """All claims, in the order of claims.yaml; those of experiments whose runs are not collected are not run."""
    collected = {name: e for name, e in config.experiments.items() if config.layout.runs(name).exists()}
    config = replace(config, experiments=collected)
    return [
        Verdict(
            judged.name,
            judged.claim.text,
            judged.claim.ours,
            judged.claim.place,
            judged.claim.experiment,
            was_run(config, judged),
            judged.verdict,
            rich(_opinion(config, judged)),
            _evidence(judged.claim.metric, judged.comparisons),
        )
        for judged in judge_all(config)
    ]


def _opinion(config: Config, judged: Judged) -> str:
    known = warning(config, judged.claim.metric)
    return opinion(config, judged) + (f" **Seconds**: {known}" if known else "")


def counts(found: Sequence[Verdict]) -> dict[str, int]:
    """How many claims have each verdict."""
    words = Counter(verdict.word for verdict in found)
    return {word: words[word] for word in VERDICTS}


def _evidence(metric: str, comparisons: Sequence[Comparison]) -> Block | None:
    if not comparisons:
        return None
    unit = metric_of(metric).unit
    columns = ("data", "solver", f"lower {metric} ({unit})", "higher", "difference [95%]", "d", "n", "p")
    return block(Grid("", columns, [_row(c) for c in comparisons]))


def _row(c: Comparison) -> list[str]:
    if c.result is None:
        return [c.column.label, c.solver, c.below, c.above, "not run", "", "0", ""]
    r, (below, above) = c.result, c.means
    spread = f" [{r.low:.3g}, {r.high:.3g}]" if math.isfinite(r.low) else ""
    effect = "" if math.isnan(r.effect) else f"{r.effect:.1f}"
    means = f"{c.below}: {below:.4g}", f"{c.above}: {above:.4g}"
    return [c.column.label, c.solver, *means, f"{r.mean:.3g}{spread}", effect, str(r.n), f"{r.p:.2g}"]
