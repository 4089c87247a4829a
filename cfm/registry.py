"""What exists: a method or data set family is a file in its folder, found by its name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

from cfm.errors import UserError
from cfm.strict import Where, check_name

if TYPE_CHECKING:
    from cfm.datasets.base import Dataset
    from cfm.methods.base import Method


def families(package: str) -> list[str]:
    """Names of the modules in `cfm.<package>`, without `base`."""
    folder = importlib.import_module(f"cfm.{package}")
    return sorted(m.name for m in pkgutil.iter_modules(folder.__path__) if m.name != "base")


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
    return found
