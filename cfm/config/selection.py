"""What of the configuration is run, where a user names data sets, methods or seeds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from cfm.config.seeds import LARGEST, MOST, counted
from cfm.errors import UserError

_SHOWN = 80  # characters of a wrong text


@dataclass(frozen=True)
class Selection:
    """Names of data sets (or groups of them) and methods, all if there are none; `seeds`: how many, which, or None.

    Who is named takes part in an experiment even where the budget leaves it out.
    """

    datasets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    seeds: int | tuple[int, ...] | None = None

    @classmethod
    def parse(cls, datasets: str = "", methods: str = "", seeds: str = "") -> Selection:
        """Of what stands in DATASETS, METHODS and SEEDS; `UserError` if that cannot be read."""
        return cls(names(datasets, "DATASETS"), names(methods, "METHODS"), _seeds(seeds))

    @property
    def text(self) -> dict[str, str]:
        """What `parse` reads, by key, without the keys that say nothing; only letters, digits, underscores, commas."""
        seeds = self.seeds if isinstance(self.seeds, tuple) else ()
        found = {name: "".join(f"{word}," for word in getattr(self, name)) for name in ("datasets", "methods")}
        found["seeds"] = "".join(f"{seed}," for seed in seeds) if seeds else str(self.seeds or "")
        return {key: value for key, value in found.items() if value}

    def seeds_of(self, own: tuple[int, ...]) -> tuple[int, ...]:
        """The seeds of an experiment that has these of its own."""
        if self.seeds is None:
            return own
        return self.seeds if isinstance(self.seeds, tuple) else counted(own, self.seeds)


def names(text: str, what: str = "EXPERIMENTS") -> tuple[str, ...]:
    """The different names in a text, between spaces or commas; `UserError` if there is nothing but commas."""
    found = tuple(dict.fromkeys(re.split(r"[\s,]+", text.strip(" \t\n,"))))
    if found != ("",):
        return found
    if text.strip():
        raise UserError(f"{what}: names are expected, separated by spaces or commas, got '{text[:_SHOWN]}'")
    return ()


def _seeds(text: str) -> int | tuple[int, ...] | None:
    """A count, or a list: two or more numbers, or one with a comma; None if there is nothing."""
    if not text.strip():
        return None
    words = names(text, "SEEDS")
    if not all(re.fullmatch(r"[0-9]{1,19}", word) for word in words):
        _wrong(text)
    found = tuple(int(word) for word in words)
    if len(found) == 1 and "," not in text:
        if not 1 <= found[0] <= MOST:
            raise UserError(f"SEEDS: a count is 1 to {MOST}, got {found[0]}; a seed alone is written SEEDS={found[0]},")
        return found[0]
    given = [int(word) for word in re.split(r"[\s,]+", text.strip(" \t\n,"))]
    twice = next((seed for seed in given if given.count(seed) > 1), None)
    if twice is not None:
        raise UserError(f"SEEDS: {twice} is given twice")
    if len(found) > MOST:
        raise UserError(f"SEEDS: at most {MOST} seeds, got {len(found)}")
    if max(found) >= LARGEST:
        raise UserError(f"SEEDS: {max(found)} is too large for a seed")
    return found


def _wrong(text: str) -> NoReturn:
    raise UserError(
        f'SEEDS: a count (SEEDS=10), a list (SEEDS="42 43") or one seed with a comma (SEEDS=42,) of whole numbers '
        f"from 0 is expected, got '{text[:_SHOWN]}'"
    )
