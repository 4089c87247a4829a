"""A comparison of two methods as aligned text: a line per data set, one for all, and what is to be known of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cfm.metrics import metric_label, metric_of
from cfm.results.compare import Comparison, Line, better, seeds_to_decide
from cfm.results.statistics import CONFIDENCE, POWER, Paired

HEAD = ("data", "n", "{0}", "{1}", "{0} - {1} [{2:.0%}]", "d", "p", "better", "seeds to decide")


def text(comparison: Comparison) -> str:
    """The comparison for a terminal."""
    known, (first, second) = metric_of(comparison.metric), comparison.methods
    title = f"{metric_label(comparison.metric)} ({comparison.metric}, {known.unit}; {known.direction})"
    head = [name.format(first, second, CONFIDENCE) for name in HEAD]
    lines = [*comparison.lines, *([comparison.pooled] if comparison.pooled else [])]
    rows = [_row(comparison, line) for line in lines]
    found = [f"{comparison.experiment}, {comparison.solver}: {title}", *aligned([head, *rows])]
    found += [f"  {note}" for line in comparison.lines for note in line.missing]
    found += [f"  {note}" for note in notes(comparison)]
    return "\n".join(found)


def notes(comparison: Comparison) -> list[str]:
    """What the numbers of this comparison cannot say by themselves."""
    found = []
    if metric_of(comparison.metric).better == "zero":
        found.append("absolute values are compared: near zero is better")
    if metric_of(comparison.metric).unit == "s":
        found.append("seconds depend on what else the machine did meanwhile")
    if comparison.pooled:
        found.append("all data sets: geometric means and their ratio, tested on the mean log ratio of every seed")
    elif comparison.not_pooled:
        found.append(f"not pooled: {comparison.not_pooled}")
    results = [line.result for line in comparison.lines if line.result]
    if any(result.n == 1 for result in results):
        found.append("with one shared seed there is no interval and no test")
    if any(seeds_to_decide(result).isdigit() for result in results):
        found.append(
            f"seeds to decide: for {POWER:.0%} power, if the effect is as large as it looks here, which few seeds tell "
            "badly"
        )
    return found


def _row(comparison: Comparison, line: Line) -> list[str]:
    result = line.result
    if result is None:
        return [line.label, "0", "-", "-", "-", "-", "-", "-", "-"]
    effect = "-" if math.isnan(result.effect) else f"{result.effect:.2f}"
    p = "-" if result.n == 1 else f"{result.two_sided:.2g}"
    means = [f"{mean:.4g}" for mean in line.means]
    decided = (better(comparison, line), seeds_to_decide(result))
    return [line.label, str(result.n), *means, difference(line), effect, p, *decided]


def difference(line: Line) -> str:
    """The mean difference, or ratio, with its interval where there is one."""
    assert line.result is not None
    show = _ratio if line.ratio else _signed
    interval = _interval(line.result, show)
    return show(line.result.mean) + interval


def _interval(result: Paired, show: Callable[[float], str]) -> str:
    return f" [{show(result.low)}, {show(result.high)}]" if math.isfinite(result.low) else ""


def _signed(value: float) -> str:
    return f"{value:+.3g}"


def _ratio(value: float) -> str:
    return f"× {math.exp(value):.3g}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with columns of equal width, the first to the left, the others to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(["", first.ljust(widths[0]), *cells]))
    return lines
