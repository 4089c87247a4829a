"""The claims report: the verdicts on all claims with their evidence, as `claims.csv` and `claims.md`."""

from __future__ import annotations

from cfm.config import Config
from cfm.files import write_text
from cfm.metrics import metric_of
from cfm.results.claims.judge import Judged, judge_all, row
from cfm.results.claims.summary import others, spelled, tally, was_run
from cfm.results.columns import column
from cfm.results.statistics import LEVEL, Paired
from cfm.results.timing import warning

HOW = (
    "Every comparison is a paired t-test over seeds, one-sided at 5%. A claim holds if all its comparisons are",
    "significant; it fails if one is significant in the other direction (5% over all its comparisons); else it is",
    "undecided. d is the difference's mean over its standard deviation over seeds.",
)


def write_claims(config: Config) -> None:
    """Judge every claim and write both files."""
    import pandas as pd

    judged = judge_all(config)
    rows: list[dict[str, object]] = [
        {
            "claim": j.name,
            "whose": "ours" if j.claim.ours else "paper",
            "experiment": j.claim.experiment,
            "run": was_run(config, j),
            "verdict": j.verdict,
            "statement": j.claim.statement,
            "place": j.claim.place,
            **row(c),
        }
        for j in judged
        for c in (j.comparisons or (None,))
    ]
    write_text(config.layout.claims("csv"), pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))
    write_text(config.layout.claims("md"), report(config, judged))


def report(config: Config, judged: list[Judged]) -> str:
    """The report as markdown: the verdicts at a glance, then claim by claim, those of what was not run in one fold."""
    run = [j for j in judged if was_run(config, j)]
    rest = [j for j in judged if not was_run(config, j)]
    lines = [f"# The paper's claims, checked on budget '{config.budget}'", ""]
    for whose, counts in tally((j.claim.ours, j.verdict) for j in run).items():
        lines += [f"Of {sum(counts.values())} statements {whose} **{spelled(counts)}**.", ""]
    if config.budget == "smoke":
        lines += ["Budget 'smoke' trains next to nothing: these verdicts try the machinery and mean nothing else.", ""]
    lines += [*HOW, "", "| | claim | verdict |", "| --- | --- | --- |"] if run else []
    lines += [f"| {k} | {j.claim.text} | {j.verdict} |" for k, j in enumerate(run, start=1)]
    if rest:
        lines += ["", f"<details><summary>{others(len(rest))}</summary>", ""]
        lines += [*(f"- {j.claim.text} (`{j.claim.experiment}`)" for j in rest), "", "</details>"]
    for k, j in enumerate(run, start=1):
        lines += ["", f"## {k}. {j.claim.text}", "", f"*{j.claim.place}.* {opinion(config, j)}"]
        known = warning(config, j.claim.metric)
        lines += ["", f"**Seconds**: {known}"] if known else []
        lines += ["", *_evidence(j)] if j.comparisons else []
    return "\n".join(lines) + "\n"


def opinion(config: Config, judged: Judged) -> str:
    """The verdict in a sentence of markdown, with the comparison that decides it."""
    found = [(c, c.result) for c in judged.comparisons if c.result is not None]
    if judged.verdict == "not run":
        missing = len(judged.comparisons) - len(found)
        if judged.comparisons:
            return f"**Not run**: {missing} of {len(judged.comparisons)} comparisons have no values."
        if config.budget not in judged.claim.budgets:
            return f"**Not run**: it takes budget {' or '.join(judged.claim.budgets)}."
        if judged.claim.experiment not in config.experiments:
            return f"**Not run**: experiment {judged.claim.experiment} is not part of this run."
        absent = [d for d in judged.claim.datasets if column(config, judged.claim.experiment, d) is None]
        if not absent and not config.layout.runs(judged.claim.experiment).exists():
            return f"**Not run**: experiment {judged.claim.experiment} has no finished runs yet."
        return f"**Not run**: {', '.join(absent or judged.claim.datasets)}: no data in this run."
    weakest, result = max(found, key=lambda pair: pair[1].p)
    significant = sum(r.p < LEVEL for _, r in found)
    where = f"on {weakest.column.label} ({weakest.solver}, {weakest.above}): {_difference(result)}"
    if judged.verdict == "holds":
        return f"**Holds** in all {len(found)} comparisons; the difference is least certain {where}."
    if judged.verdict == "fails":
        return f"**Fails**: the difference has the opposite sign {where}; {significant} of {len(found)} are as claimed."
    return f"**Undecided**: {significant} of {len(found)} comparisons are significant; least {where}."


def _difference(result: Paired) -> str:
    return f"{result.mean:.3g} [{result.low:.3g}, {result.high:.3g}], n = {result.n}, p = {result.p:.2g}"


def _evidence(judged: Judged) -> list[str]:
    metric = judged.claim.metric
    lines = [
        f"| data | solver | lower {metric} ({metric_of(metric).unit}) | higher | difference [95%] | d | n | p |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for c in judged.comparisons:
        data = c.column.label
        if c.result is None:
            lines.append(f"| {data} | {c.solver} | {c.below} | {c.above} | not run | | 0 | |")
            continue
        r = c.result
        lines.append(
            f"| {data} | {c.solver} | {c.below}: {c.means[0]:.4g} | {c.above}: {c.means[1]:.4g} "
            f"| {r.mean:.3g} [{r.low:.3g}, {r.high:.3g}] | {r.effect:.1f} | {r.n} | {r.p:.2g} |"
        )
    return lines
