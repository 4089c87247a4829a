"""The entries of methods.yaml and datasets.yaml, and of the user's own files in config/mine, checked.

A file of config/mine has entries as these two have them, below `methods:` and `datasets:`; it may be called anything.
An entry of a time course may leave out several times, `left_out: [1, 2]`: that makes as many data sets, NAME_without_1
and NAME_without_2, which an experiment may name together by NAME. So does one of pictures with several attributes,
`attribute: [Bald, Young]`: NAME_bald and NAME_young.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cfm.config.registry import dataset_family, method_family
from cfm.config.strict import PLAIN, Where, build, check_name, check_plain, load_yaml, renamed
from cfm.datasets.base import Dataset
from cfm.errors import UserError
from cfm.methods.base import Method
from cfm.settings import LATER, Entry

FOLDER = Path("config")
MINE = FOLDER / "mine"
_ENTRY_KEYS = tuple(Entry.__dataclass_fields__)
# Keys that may have several values, with the name and the label of the data set that each makes.
MANY = {"left_out": ("{}_without_{}", "{}, t={} left out"), "attribute": ("{}_{}", "{}, {}")}


@dataclass(frozen=True)
class NamedMethod:
    """An entry of methods.yaml, or of `mine`, the user's own file."""

    name: str
    entry: Entry
    method: Method
    mine: str | None = field(default=None, metadata=LATER)

    @property
    def where(self) -> Where:
        """Where it is written."""
        return _where(self.mine, "methods") / self.name

    @property
    def external(self) -> bool:
        """Are its samples written by a program outside this package?"""
        return self.entry.family == "external"


@dataclass(frozen=True)
class NamedDataset:
    """A data set of datasets.yaml or of `mine`, the user's own file; `group` and `group_label` are the name and label
    of an entry that makes several."""

    name: str
    entry: Entry
    dataset: Dataset
    group: str | None = None
    group_label: str | None = None
    mine: str | None = field(default=None, metadata=LATER)

    @property
    def where(self) -> Where:
        """Where it is written."""
        return _where(self.mine, "datasets") / (self.group or self.name)


def available_experiments() -> list[str]:
    """The experiments that have a file, enabled or not."""
    return sorted(path.stem for path in (FOLDER / "experiments").glob("*.yaml"))


def load_methods(experiments: list[str]) -> dict[str, NamedMethod]:
    """The methods by name, in the order of the file, the user's own after the others."""
    found = {
        name: NamedMethod(name, *_entry(name, value, "methods", _where(mine, "methods"), experiments), mine)
        for name, value, mine in _entries("methods")
    }
    labels = {method.entry.label: method for method in reversed(found.values())}
    for method in found.values():
        if method.mine and (other := labels[method.entry.label]) is not method:
            raise UserError(
                f"{method.where / 'label'}: '{method.entry.label}' is that of {other.name}: rows of a table "
                "would look the same"
            )
    return found


def load_datasets() -> dict[str, NamedDataset]:
    """The data sets by name, in the order of the file, the user's own after the others."""
    found: dict[str, NamedDataset] = {}
    experiments = available_experiments()
    for entry_name, value, mine in _entries("datasets"):
        where = _where(mine, "datasets")
        for name, label, one in _expanded(entry_name, value, where):
            entry, dataset = _entry(entry_name, one, "datasets", where, experiments)
            problem = dataset.problem()
            if problem:
                raise UserError(f"{where / entry_name}: {problem}")
            if not re.fullmatch(PLAIN, name):
                raise UserError(f"{where / entry_name}: makes '{name}', which is no name of a data set")
            if name in found:
                other = found[name].where
                there = "which there is already" + (f", in {other.file}" if other.file != where.file else "")
                raise UserError(f"{where / entry_name}: makes '{name}', {there}")
            found[name] = NamedDataset(name, entry, dataset, mine=mine)
            if label is not None:
                found[name] = NamedDataset(name, replace(entry, label=label), dataset, entry_name, entry.label, mine)
    return found


def by_name(datasets: Mapping[str, NamedDataset]) -> dict[str, list[str]]:
    """The data sets that every name in an experiment stands for: one, or those of a group."""
    groups: dict[str, list[str]] = {name: [name] for name in datasets}
    for name, dataset in datasets.items():
        if dataset.group is not None:
            groups.setdefault(dataset.group, []).append(name)
    return groups


def _entries(kind: str) -> list[tuple[str, Any, str | None]]:
    """Name, keys, and the file of the user's own that has it; `UserError` if two files have the same."""
    shipped = FOLDER / f"{kind}.yaml"
    found = [(str(name), value, None) for name, value in load_yaml(shipped).items()]
    files = {name: str(shipped) for name, _, _ in found}
    mine: list[tuple[str, Any, str | None]] = [*found]
    for path in _own_files():
        for name, value in _own(path)[kind].items():
            if name in files:
                raise UserError(f"{path}: {kind}: there is '{name}' already, in {files[name]}: give it another name")
            files[name] = str(path)
            mine.append((name, value, str(path)))
    return mine


def _own_files() -> list[Path]:
    """The files of config/mine by name; `UserError` if there is one that nobody would read."""
    files = sorted(MINE.glob("[!.]*"))
    for path in files:
        if path.suffix.lower() in (".yml", ".yaml") and path.suffix != ".yaml":
            raise UserError(f"{path}: is not read: name it {path.with_suffix('.yaml').name}")
    return [path for path in files if path.suffix == ".yaml"]


def _own(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of a file of config/mine, by kind."""
    content, kinds = load_yaml(path), ("datasets", "methods")
    for key in content:
        check_name(str(key), kinds, "key", Where(str(path)))
    for kind in kinds:
        if not isinstance(content.get(kind) or {}, dict):
            raise UserError(f"{path}: {kind}: a mapping of names to entries is expected")
    return {kind: {str(name): value for name, value in (content.get(kind) or {}).items()} for kind in kinds}


def _where(mine: str | None, kind: str) -> Where:
    return Where(f"{FOLDER}/{kind}.yaml") if mine is None else Where(mine, (kind,))


def _expanded(name: str, value: Any, file: Where) -> Iterator[tuple[str, str | None, Any]]:
    """The data sets of an entry: name, label if it is not the entry's own, and keys."""
    many = [key for key in MANY if isinstance(value, dict) and isinstance(value.get(key), list)]
    if not many:
        yield name, None, value
    for key in many:
        values, (names, labels) = value[key], MANY[key]
        if not values or len({*map(str, values)}) != len(values):
            where = file / name / key
            raise UserError(f"{where}: one or more different values are expected, got {values}")
        for one in values:
            label = labels.format(value.get("label"), str(one).replace("_", " "))
            yield names.format(name, str(one).lower()), label, {**value, key: one}


def _entry(name: str, value: Any, kind: str, file: Where, experiments: list[str]) -> tuple[Entry, Any]:
    where = file / name
    check_plain(name, "name", file)
    if not isinstance(value, dict):
        raise UserError(f"{where}: a mapping is expected, got {value!r}")
    entry = build(Entry, {key: item for key, item in value.items() if key in _ENTRY_KEYS}, where)
    if not entry.label.isprintable() or "$" in entry.label:
        raise UserError(f"{where / 'label'}: one line of text without $ is expected")
    for experiment in entry.experiments:
        check_name(experiment, experiments, "experiment", where / "experiments")
    family = method_family(entry.family, where) if kind == "methods" else dataset_family(entry.family, where)
    rest = renamed(family, {key: item for key, item in value.items() if key not in _ENTRY_KEYS}, where)
    for key in rest:
        known = [*_ENTRY_KEYS, *family.__dataclass_fields__]
        check_name(key, known, "key", where)
    found = build(family, rest, where)
    sigma = getattr(found, "sigma", 0.0)
    if sigma < 0:
        raise UserError(f"{where / 'sigma'}: a standard deviation is 0 or more, got {sigma}")
    return entry, found
