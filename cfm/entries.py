"""The entries of methods.yaml and datasets.yaml, checked.

An entry of a time course may leave out several times, `left_out: [1, 2]`: that makes as many data sets, NAME_without_1
and NAME_without_2, which an experiment may name together by NAME.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cfm.datasets.base import Dataset
from cfm.errors import UserError
from cfm.methods.base import Method
from cfm.registry import dataset_family, method_family
from cfm.settings import Entry
from cfm.strict import Where, build, check_name, load_yaml

FOLDER = Path("config")
_ENTRY_KEYS = tuple(Entry.__dataclass_fields__)
MANY = "left_out"


@dataclass(frozen=True)
class NamedMethod:
    """An entry of methods.yaml."""

    name: str
    entry: Entry
    method: Method


@dataclass(frozen=True)
class NamedDataset:
    """A data set of datasets.yaml; `group` and `group_label` are the name and label of an entry that makes several."""

    name: str
    entry: Entry
    dataset: Dataset
    group: str | None = None
    group_label: str | None = None


def load_methods(experiments: list[str]) -> dict[str, NamedMethod]:
    """The methods by name, in the order of the file."""
    return {name: NamedMethod(name, *_entry(name, v, "methods", experiments)) for name, v in _entries("methods")}


def load_datasets() -> dict[str, NamedDataset]:
    """The data sets by name, in the order of the file."""
    found: dict[str, NamedDataset] = {}
    for entry_name, value in _entries("datasets"):
        for name, one in _expanded(entry_name, value):
            entry, dataset = _entry(entry_name, one, "datasets", [])
            invalid = dataset.invalid()
            if invalid:
                raise UserError(f"{FOLDER}/datasets.yaml: {entry_name}: {invalid}")
            if name in found:
                raise UserError(f"{FOLDER}/datasets.yaml: {entry_name}: makes '{name}', which there is already")
            found[name] = NamedDataset(name, entry, dataset)
            if name != entry_name:
                label = f"{entry.label}, t={one[MANY]} left out"
                found[name] = NamedDataset(name, replace(entry, label=label), dataset, entry_name, entry.label)
    return found


def by_name(datasets: Mapping[str, NamedDataset]) -> dict[str, list[str]]:
    """The data sets that every name in an experiment stands for: one, or those of a group."""
    groups: dict[str, list[str]] = {name: [name] for name in datasets}
    for name, dataset in datasets.items():
        if dataset.group is not None:
            groups.setdefault(dataset.group, []).append(name)
    return groups


def _entries(kind: str) -> list[tuple[str, Any]]:
    return list(load_yaml(FOLDER / f"{kind}.yaml").items())


def _expanded(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    times = value.get(MANY) if isinstance(value, dict) else None
    if not isinstance(times, list):
        yield name, value
        return
    where = Where(f"{FOLDER}/datasets.yaml") / name / MANY
    if not times or len({*map(str, times)}) != len(times):
        raise UserError(f"{where}: one or more different times are expected, got {times}")
    for time in times:
        yield f"{name}_without_{time}", {**value, MANY: time}


def _entry(name: str, value: Any, kind: str, experiments: list[str]) -> tuple[Entry, Any]:
    where = Where(f"{FOLDER}/{kind}.yaml") / name
    if not name.isidentifier() or not name.islower():
        raise UserError(f"{where}: a name is lower-case letters, digits and underscores")
    if not isinstance(value, dict):
        raise UserError(f"{where}: a mapping is expected, got {value!r}")
    entry = build(Entry, {key: item for key, item in value.items() if key in _ENTRY_KEYS}, where)
    if kind == "datasets" and entry.experiments:
        raise UserError(f"{where}: unknown key 'experiments'; an experiment's file names its data sets")
    for experiment in entry.experiments:
        check_name(experiment, experiments, "experiment", where / "experiments")
    family = method_family(entry.family, where) if kind == "methods" else dataset_family(entry.family, where)
    rest = {key: item for key, item in value.items() if key not in _ENTRY_KEYS}
    for key in rest:
        known = [*_ENTRY_KEYS, *family.__dataclass_fields__]
        check_name(key, known, "key", where)
    return entry, build(family, rest, where)
