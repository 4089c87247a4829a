"""Seeds: those that a selection asks for, in groups that share a process, and in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MOST = 1000  # of a selection
LARGEST = 2**63  # a seed is less


def counted(own: Sequence[int], count: int) -> tuple[int, ...]:
    """So many seeds: the first of an experiment's own, continued after the last of them: 42, 43, 44, then 45, ..."""
    after = max(own, default=-1) + 1
    return (*own[:count], *range(after, after + count - len(own)))


def cut(seeds: Sequence[int], size: int) -> list[tuple[int, ...]]:
    """Groups of `size` seeds, one after the other."""
    return [tuple(seeds[start : start + size]) for start in range(0, len(seeds), size)]


def groups(
    cells: Sequence[tuple[int, ...]], size: int, wanted: Sequence[int], made: Iterable[tuple[int, ...]]
) -> list[tuple[int, ...]]:
    """The wanted seeds in groups that share a process; those in `made` stay as they are, whole.

    A group whose boundaries moved would be computed again, all of it. The others are cut as `cells` are, the groups of
    the experiment's own seeds, and what lies beyond these goes on in groups of the same size.
    """
    kept = [group for group in made if not set(group).isdisjoint(wanted)]
    known = {seed for group in (*kept, *cells) for seed in group}
    taken = {seed for group in kept for seed in group}
    beyond = cut([seed for seed in wanted if seed not in known], size)
    rest = (tuple(s for s in cell if s in wanted and s not in taken) for cell in (*cells, *beyond))
    found = [*kept, *(cell for cell in rest if cell)]
    return sorted(found, key=lambda group: min(wanted.index(seed) for seed in group if seed in wanted))


def spans(seeds: Iterable[int]) -> str:
    """Seeds in words, neighbours together: 7, 42..44; of one stretch its ends, 42..42."""
    found: list[list[int]] = []
    for seed in sorted({*seeds}):
        if found and seed == found[-1][-1] + 1:
            found[-1] = [found[-1][0], seed]
        else:
            found.append([seed, seed])
    if len(found) == 1:
        return f"{found[0][0]}..{found[0][1]}"
    return ", ".join(str(first) if first == last else f"{first}..{last}" for first, last in found)
