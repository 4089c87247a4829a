"""The entries of methods.yaml and datasets.yaml, checked.

An entry of a time course may leave out several times, `left_out: [1, 2]`: that makes as many data sets, NAME_without_1
and NAME_without_2, which an experiment may name together by NAME. So does one of pictures with several attributes,
`attribute: [Bald, Young]`: NAME_bald and NAME_young.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cfm.config.registry import dataset_family, method_family
from cfm.config.strict import PLAIN, Where, build, check_name, check_plain, load_yaml, renamed
from cfm.datasets.base import Dataset
from cfm.errors import UserError
from cfm.methods.base import Method
from cfm.settings import Entry

FOLDER = Path("config")
_ENTRY_KEYS = tuple(Entry.__dataclass_fields__)
# Keys that may have several values, with the name and the label of the data set that each makes.
MANY = {"left_out": ("{}_without_{}", "{}, t={} left out"), "attribute": ("{}_{}", "{}, {}")}


@dataclass(frozen=True)
class NamedMethod:
    """An entry of methods.yaml."""

    name: str
    entry: Entry
    method: Method

    @property
    def external(self) -> bool:
        """Are its samples written by a program outside this package?"""
        return self.entry.family == "external"


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
        for name, label, one in _expanded(entry_name, value):
            entry, dataset = _entry(entry_name, one, "datasets", [])
            problem = dataset.problem()
            if problem:
                raise UserError(f"{FOLDER}/datasets.yaml: {entry_name}: {problem}")
            if not re.fullmatch(PLAIN, name):
                raise UserError(f"{FOLDER}/datasets.yaml: {entry_name}: makes '{name}', which is no name of a data set")
            if name in found:
                raise UserError(f"{FOLDER}/datasets.yaml: {entry_name}: makes '{name}', which there is already")
            found[name] = NamedDataset(name, entry, dataset)
            if label is not None:
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
    return [(str(name), value) for name, value in load_yaml(FOLDER / f"{kind}.yaml").items()]


def _expanded(name: str, value: Any) -> Iterator[tuple[str, str | None, Any]]:
    """The data sets of an entry: name, label if it is not the entry's own, and keys."""
    many = [key for key in MANY if isinstance(value, dict) and isinstance(value.get(key), list)]
    if not many:
        yield name, None, value
    for key in many:
        values, (names, labels) = value[key], MANY[key]
        if not values or len({*map(str, values)}) != len(values):
            where = Where(f"{FOLDER}/datasets.yaml") / name / key
            raise UserError(f"{where}: one or more different values are expected, got {values}")
        for one in values:
            label = labels.format(value.get("label"), str(one).replace("_", " "))
            yield names.format(name, str(one).lower()), label, {**value, key: one}


def _entry(name: str, value: Any, kind: str, experiments: list[str]) -> tuple[Entry, Any]:
    where = Where(f"{FOLDER}/{kind}.yaml") / name
    check_plain(name, "name", Where(f"{FOLDER}/{kind}.yaml"))
    if not isinstance(value, dict):
        raise UserError(f"{where}: a mapping is expected, got {value!r}")
    entry = build(Entry, {key: item for key, item in value.items() if key in _ENTRY_KEYS}, where)
    if not entry.label.isprintable() or "$" in entry.label:
        raise UserError(f"{where / 'label'}: one line of text without $ is expected")
    if kind == "datasets" and entry.experiments:
        raise UserError(f"{where}: unknown key 'experiments'; an experiment's file names its data sets")
    for experiment in entry.experiments:
        check_name(experiment, experiments, "experiment", where / "experiments")
    family = method_family(entry.family, where) if kind == "methods" else dataset_family(entry.family, where)
    rest = renamed(family, {key: item for key, item in value.items() if key not in _ENTRY_KEYS}, where)
    for key in rest:
        known = [*_ENTRY_KEYS, *family.__dataclass_fields__]
        check_name(key, known, "key", where)
    return entry, build(family, rest, where)
