"""An experiment's file with the budget's changes, and the entries that name it: who may take part in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cfm.config.check import check_experiment, check_network
from cfm.config.entries import FOLDER, NamedDataset, NamedMethod, by_name
from cfm.config.roster import Roster, with_teachers
from cfm.config.strict import Where, build, check_keys, check_name, check_plain, load_yaml, renamed
from cfm.errors import UserError
from cfm.settings import Experiment


def overlays(budget: str, experiments: Sequence[str]) -> dict[str, Any]:
    """What a budget changes, by experiment."""
    where = Where(f"{FOLDER}/budgets/{budget}.yaml")
    content = load_yaml(Path(where.file))
    for key in content:
        check_name(key, ["experiments"], "key", where)
    found: dict[str, Any] = content.get("experiments", {})
    for name, overlay in found.items():
        check_name(name, experiments, "experiment", where / "experiments")
        check_keys(Experiment, overlay, where / "experiments" / name, partial=True)
    return {name: renamed(Experiment, overlay, where) for name, overlay in found.items()}


def roster(name: str, overlay: Any, methods: Mapping[str, NamedMethod], datasets: Mapping[str, NamedDataset]) -> Roster:
    """An experiment with all that may take part in it, checked as far as it runs by default."""
    where = file(name)
    base = renamed(Experiment, load_yaml(Path(where.file)), where)
    check_keys(Experiment, base, where, partial=True)  # also where the overlay says something else
    merged = _merge(base, overlay)
    train_of = {m: _merge(merged.get("train"), changed) for m, changed in merged.get("train_of", {}).items()}
    settings = build(Experiment, merged | {"train_of": train_of}, where)
    added = [n for n, dataset in datasets.items() if name in dataset.entry.experiments]
    by_default = dict.fromkeys([*_members(settings.datasets, datasets, where), *added])
    every = dict.fromkeys([*_members(base.get("datasets", ()), datasets, where), *by_default])
    members = tuple(n for n, method in methods.items() if name in method.entry.experiments)
    present = settings.methods
    if present:
        own = with_teachers([n for n in members if methods[n].mine], methods, members)
        present = (*present, *(n for n in own if n not in present))
    settings = replace(settings, datasets=tuple(by_default), methods=present)
    found = Roster(settings, tuple(every), members)
    if found.runs:
        check(name, settings, methods, datasets)
    return found


def check(
    name: str, settings: Experiment, methods: Mapping[str, NamedMethod], datasets: Mapping[str, NamedDataset]
) -> None:
    """`UserError` on the first thing that is wrong with an experiment on its data sets."""
    for dataset in settings.datasets:
        _check_sizes(name, settings, datasets[dataset])
        check_network(dataset, datasets[dataset].dataset, settings.train, file(name))
    check_experiment(name, settings, methods, file(name))


def file(experiment: str) -> Where:
    """The file of an experiment."""
    return Where(f"{FOLDER}/experiments/{check_plain(experiment, 'name', Where(f'{FOLDER}/experiments'))}.yaml")


def _merge(base: Any, overlay: Any) -> Any:
    if isinstance(base, dict) and isinstance(overlay, dict):
        return {key: _merge(base.get(key), overlay[key]) if key in overlay else base[key] for key in base | overlay}
    return overlay


def _members(names: Sequence[str], datasets: Mapping[str, NamedDataset], where: Where) -> list[str]:
    """The data sets by name, in the place of groups their members."""
    groups = by_name(datasets)
    for name in names:
        check_name(name, groups, "data set", where / "datasets")
    return [member for name in names for member in groups[name]]


def _check_sizes(experiment: str, settings: Experiment, dataset: NamedDataset) -> None:
    where, name = file(experiment), dataset.name
    if experiment in dataset.entry.experiments:  # what is wrong is the entry
        where = dataset.where / "experiments"
        if settings.train is None and settings.objective is None:
            raise UserError(f"{where}: nothing is trained or measured in '{experiment}': name another experiment")
        if dataset.dataset.takes_sizes and settings.sizes is None:
            raise UserError(f"{where}: '{experiment}' has no 'sizes', and '{name}' is drawn: name another experiment")
        if not dataset.dataset.takes_sizes and settings.sizes is not None:
            raise UserError(
                f"{where}: '{experiment}' has 'sizes', and '{name}' its own number of points: name another experiment"
            )
    if dataset.dataset.takes_sizes and settings.sizes is None:
        raise UserError(f"{where}: key 'sizes' is missing: '{name}' is drawn")
    if not dataset.dataset.takes_sizes and settings.sizes is not None:
        raise UserError(f"{where}: sizes: '{name}' has its own number of points; remove the key")
