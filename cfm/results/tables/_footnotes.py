"""What stands below a comparison with the paper: on what its numbers rest, and what bold and signs can say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from cfm.config import Config
from cfm.config.seeds import spans
from cfm.metrics import is_large
from cfm.results.published import MARK_NOTES, MARKS
from cfm.results.statistics import LEVEL, POWER, Best, smallest_seen
from cfm.results.tables._cells import NOT_COMPARABLE, Cell, letters
from cfm.results.timing import warning
from cfm.settings import Table, Training


def footnotes(
    config: Config, experiment: str, table: Table, cells: Sequence[Cell], best: Sequence[Best], seeds: set[int]
) -> list[str]:
    """The notes on a table; `best` has those that bold shows, of every column, `seeds` those that there are."""
    settings = config.experiments[experiment]
    sizes = settings.sizes
    large = any(is_large(metric) for metric in table.metrics)
    points = "" if sizes is None else f", {sizes.test_large if large else sizes.test} test points"
    notes = [
        f"Ours: mean ± standard deviation over n seeds ({spans(seeds) or 'none'}), budget '{config.budget}', solver "
        f"{table.solver}{points}.",
        *_on_bold(config, best),
        *_on_agreement(cells),
    ]
    known = {text for metric in table.metrics if (text := warning(config, metric))}
    notes += [f"Seconds: {text}" for text in known]
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


def _on_bold(config: Config, best: Sequence[Best]) -> list[str]:
    """What bold claims, which differences it can miss, and which methods it says nothing of."""
    untested = {name for found in best for name in found.untested}
    if not any(found.names for found in best):
        return ["Nothing is bold: no trained method has two seeds, without which there is no test."] if untested else []
    notes = [
        "Bold: of the trained methods with two seeds or more the one with the best mean on a data set, and those that "
        f"a paired t-test over seeds (one-sided, {LEVEL:.0%}) cannot tell from it, if they are better than staying put "
        "(Identity) on every seed."
    ]
    compared = sorted({n for found in best for n in found.seeds})
    if compared:
        seen = ", ".join(f"{smallest_seen(n):.1f} with {n} seeds" for n in compared)
        notes.append(
            f"Bold is no proof of being as good: to be found with {POWER:.0%} probability a difference must be so many "
            f"times its own standard deviation over seeds: {seen}."
        )
    if untested:
        labels = ", ".join(sorted(config.methods[name].entry.label for name in untested))
        notes.append(f"Not tested where fewer than two seeds are shared with the best, so never bold there: {labels}.")
    return notes


def _on_agreement(cells: Sequence[Cell]) -> list[str]:
    """What the signs say, and why a cell has none."""
    notes = []
    if any(cell.verdict.startswith(("agrees", "differs")) for cell in cells):
        notes.append("✓ / ✗: our mean is / is not within three combined standard deviations of the published one.")
    for verdict, letter in letters(cells).items():
        reason = verdict.removeprefix(f"{NOT_COMPARABLE} (").removesuffix(")")
        notes.append(f"[{letter}] No ✓ or ✗, what is published was measured otherwise: {reason}.")
    return notes


def _differences(own: Training, common: Training | None) -> str:
    changed = {key: value for key, value in asdict(own).items() if common is None or value != getattr(common, key)}
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in changed.items())
