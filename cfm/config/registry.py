"""What exists: a method or data set family is a file in its folder, found by its name."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from cfm.config.strict import Where, check_name
from cfm.errors import UserError

if TYPE_CHECKING:
    from cfm.datasets.base import Dataset
    from cfm.methods.base import Method


# Where the files of each kind are, below cfm/. Tables and figures are made above this room; only their
# names are read here, so that a misspelt kind is an error before any job.
FOLDERS = {
    "methods": "methods",
    "datasets": "datasets",
    "metrics": "metrics",
    "tables": "results/tables",
    "figures": "results/figures",
}


# What a family might still override, which would then do nothing without a word.
_FORMERLY = {
    "methods": {
        "unsupported": "skip_reason",
        "rounds": "refresh_steps",
        "own_pairs": "generate_pairs",
        "player": "trained_part",
    },
    "datasets": {"missing": "unavailable_reason", "invalid": "problem"},
}


def families(kind: str) -> list[str]:
    """Names of the files of a kind, without `base` and those that help them, which begin with an underscore."""
    files = (Path(__file__).parents[1] / FOLDERS[kind]).glob("[!_]*.py")
    return sorted(file.stem for file in files if file.stem != "base")


def method_family(name: str, where: Where) -> type[Method]:
    """The class `METHOD` of the file `cfm/methods/<name>.py`."""
    return _family("methods", name, "METHOD", where)


def dataset_family(name: str, where: Where) -> type[Dataset]:
    """The class `DATASET` of the file `cfm/datasets/<name>.py`."""
    return _family("datasets", name, "DATASET", where)


def _family(package: str, name: str, attribute: str, where: Where) -> type:
    check_name(name, families(package), "family", where / "family")
    file = f"cfm/{package}/{name}.py"
    try:
        module = importlib.import_module(f"cfm.{package}.{name}")
    except ImportError as error:
        raise UserError(f"{file}: cannot be imported: {error}") from error
    if not hasattr(module, attribute):
        raise UserError(f"{file}: has no '{attribute}'; end the file with {attribute} = YourClass")
    found: type = getattr(module, attribute)
    for former, today in _FORMERLY[package].items():
        if callable(getattr(found, former, None)):
            raise UserError(f"{file}: `{former}` is not called any more: its name is `{today}` now")
    return found
