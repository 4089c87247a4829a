"""Who may take part in an experiment, who does by default, and who does if a user selects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cfm.config.entries import NamedDataset, NamedMethod, by_name
from cfm.config.selection import Selection
from cfm.config.strict import Where, check_name
from cfm.errors import UserError
from cfm.settings import Experiment


@dataclass(frozen=True)
class Roster:
    """An experiment as the budget has it (`settings`), and all data sets and methods that may take part in it."""

    settings: Experiment
    datasets: tuple[str, ...]
    methods: tuple[str, ...]

    @property
    def runs(self) -> bool:
        """Has it data sets at this budget, or none at any (a table that is made of nothing but settings)?"""
        return bool(self.settings.datasets) or not self.datasets

    @property
    def left_out(self) -> tuple[list[str], list[str]]:
        """The methods and the data sets that the budget goes without."""
        present = self.settings.methods or self.methods
        methods = [name for name in self.methods if name not in present]
        return methods, [name for name in self.datasets if name not in self.settings.datasets]

    def selected(self, chosen: Selection, named: bool, methods: Mapping[str, NamedMethod]) -> Experiment | None:
        """The experiment with what is chosen of it, and the teachers of that; None if it has nothing of it.

        Where the budget goes without the experiment, and where it has no data sets, it has to be `named` too.
        """
        if not self.datasets or not (self.runs or (named and chosen.datasets)):
            return self.settings if named else None
        datasets = self.settings.datasets
        if chosen.datasets:
            datasets = tuple(name for name in self.datasets if name in chosen.datasets)
        present = self.settings.methods
        if chosen.methods:
            present = with_teachers([name for name in self.methods if name in chosen.methods], methods, self.methods)
        if not datasets or (chosen.methods and not present):
            return None
        seeds = chosen.seeds_of(self.settings.seeds)
        return replace(self.settings, datasets=datasets, methods=present, seeds=seeds)


def with_teachers(chosen: Sequence[str], methods: Mapping[str, NamedMethod], order: Iterable[str]) -> tuple[str, ...]:
    """Some methods and those that they are trained from, in an order."""
    found, pending = set[str](), list(chosen)
    while pending:
        name = pending.pop()
        teacher = methods[name].method.teacher
        if name not in found:
            found.add(name)
            pending += [] if teacher is None or teacher not in methods else [teacher]
    return tuple(name for name in order if name in found)


def select(
    rosters: Mapping[str, Roster],
    chosen: Selection,
    named: Sequence[str],
    datasets: Mapping[str, NamedDataset],
    methods: Mapping[str, NamedMethod],
    everywhere: Callable[[], Mapping[str, Roster]],
) -> dict[str, Experiment]:
    """The experiments, of those that are `named` or else enabled, with what is chosen; those without any are not there.

    `everywhere`: the rosters of all experiments, asked for or not. `UserError` for a name that is none, or that takes
    part in none of those that are asked for.
    """
    groups = by_name(datasets)
    for name in chosen.datasets:
        check_name(name, groups, "data set", Where("DATASETS"))
    for name in chosen.methods:
        check_name(name, methods, "method", Where("METHODS"))
    members = tuple(dict.fromkeys(member for name in chosen.datasets for member in groups[name]))
    whole = replace(chosen, datasets=members)
    open_ = {
        name: roster
        for name, roster in rosters.items()
        if name in named or (roster.runs and not roster.settings.on_request)
    }
    for name in chosen.datasets:
        if not any(set(groups[name]) & {*roster.datasets} for roster in open_.values()):
            places = [place for place, roster in everywhere().items() if set(groups[name]) & {*roster.datasets}]
            _nowhere("DATASETS", name, places, datasets[groups[name][0]].where)
    for name in chosen.methods:
        if not any(name in roster.methods for roster in open_.values()):
            places = [place for place, roster in everywhere().items() if name in roster.methods]
            _nowhere("METHODS", name, places, methods[name].where)
    found = {name: roster.selected(whole, name in named, methods) for name, roster in open_.items()}
    present = {name: settings for name, settings in found.items() if settings is not None}
    if not present:
        raise UserError(
            f"no experiment has both one of DATASETS ({', '.join(chosen.datasets) or 'all'}) and one of METHODS "
            f"({', '.join(chosen.methods) or 'all'})"
        )
    return present


def _nowhere(what: str, name: str, places: Sequence[str], where: Where) -> None:
    if not places:
        raise UserError(f"{what}: '{name}' takes part in no experiment: name one, `experiments: [...]` in {where}")
    raise UserError(
        f"{what}: '{name}' takes part in {', '.join(places)}, which is not asked for: say EXPERIMENTS={places[0]}"
    )
