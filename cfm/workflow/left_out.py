"""What a plan says beside its runs: who is left out at the budget, who comes along, what on disk does not count."""

from __future__ import annotations

from collections.abc import Sequence

from cfm.config import Config
from cfm.config.entries import NamedDataset
from cfm.workflow.finished import finished

_MOST = 6  # names in a line


def more_lines(config: Config) -> list[str]:
    """A line per experiment for each of these, and how to get what is left out."""
    return [*left_out_lines(config), *_teachers(config), *_unused(config)]


def left_out_lines(config: Config) -> list[str]:
    """What is configured and left out by the budget, where nobody has said what is to run; none if nothing is."""
    lines = []
    for name in (name for name in config.asked if name not in config.left_out):
        methods, datasets = config.rosters[name].left_out
        parts = []
        if methods and not config.chosen.methods and config.asked[name].datasets:
            parts.append(f"methods {_folded(methods)}")
        if datasets and not config.chosen.datasets:
            names = _folded(_grouped(datasets, config))
            every = not config.asked[name].datasets
            parts.append(
                f"all data sets ({names}), unless EXPERIMENTS={name} is said too" if every else f"data sets {names}"
            )
        if parts:
            lines.append(f"left out at '{config.budget}': {name}: {'; '.join(parts)}")
    return [*lines, "what is left out runs where it is named: METHODS=..., DATASETS=..."] if lines else []


def _teachers(config: Config) -> list[str]:
    """Who takes part because a selected method is trained from it."""
    chosen = config.chosen.methods
    found = {
        (teacher, method)
        for name in config.asked
        for method in config.methods_of(name)
        if chosen and (teacher := config.methods[method].method.teacher) is not None and teacher not in chosen
    }
    return [f"{teacher} comes along: {method} is trained from it" for teacher, method in sorted(found)]


def _unused(config: Config) -> list[str]:
    parts = [name for name in config.asked if config.experiments[name].datasets]
    return [line for name in parts if (line := finished(config, name).line(name)) is not None]


def _grouped(names: Sequence[str], config: Config) -> list[str]:
    """The names with those of a group together, where all of it is among them."""
    members: dict[str, list[NamedDataset]] = {}
    for dataset in config.datasets.values():
        members.setdefault(dataset.group or dataset.name, []).append(dataset)
    whole = {group for group, found in members.items() if all(dataset.name in names for dataset in found)}
    shown = [group if (group := config.datasets[name].group) in whole and group else name for name in names]
    return [*dict.fromkeys(shown)]


def _folded(names: Sequence[str]) -> str:
    more = len(names) - _MOST
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_MOST])} and {more} more"
