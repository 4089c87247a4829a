"""How many claims hold of the experiments that were run, and how many are about others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cfm.config import Config
from cfm.results.claims.judge import VERDICTS, Judged

if TYPE_CHECKING:
    import pandas as pd


def was_run(config: Config, judged: Judged) -> bool:
    """Is the claim's experiment one that was run? Those of other ones have nothing to say here."""
    found = config.experiments.get(judged.claim.experiment)
    return found is not None and bool(found.datasets)


def tally(found: Iterable[tuple[bool, str]]) -> dict[str, dict[str, int]]:
    """How many claims have each verdict, the paper's apart from ours, of (is it ours, its verdict) each."""
    numbers = Counter(found)
    return {
        whose: {verdict: numbers[ours, verdict] for verdict in VERDICTS}
        for whose, ours in (("of the paper", False), ("of our own", True))
    }


def read_claims(path: Path) -> pd.DataFrame:
    """A `claims.csv`, a row for each claim."""
    import pandas as pd

    return pd.read_csv(path).groupby("claim").first()


def count(claims: pd.DataFrame) -> dict[str, dict[str, int]]:
    """`tally` of what `read_claims` read, or of a part of it."""
    return tally((whose == "ours", verdict) for whose, verdict in zip(claims.whose, claims.verdict, strict=True))


def plural(verdict: str, n: int) -> str:
    """The verdict as it is said of n claims: 1 holds, 2 hold."""
    return verdict if n == 1 else verdict.removesuffix("s")


def spelled(counts: Mapping[str, int]) -> str:
    """The counts of `tally` in words, without those that are zero: "27 hold, 1 fails"."""
    return ", ".join(f"{n} {plural(verdict, n)}" for verdict, n in counts.items() if n) or "none"


def others(count: int) -> str:
    """How many claims are about experiments that were not run, in words."""
    return f"{count} statement{'s' if count != 1 else ''} on experiments that were not run"


def summary(config: Config) -> list[str]:
    """Lines for the screen, of `claims.csv`: where the claims are, the verdicts on what was run, how many others."""
    rows = read_claims(config.layout.claims("csv"))
    run = rows[rows.run]
    lines = [f"claims: {config.layout.claims('md')}"]
    lines += [f"  {whose}: {spelled(counts)}" for whose, counts in count(run).items() if sum(counts.values())]
    return lines + ([f"  {others(len(rows) - len(run))}"] if len(run) < len(rows) else [])
