"""Strict dataclasses from YAML: every key known, every value of its type, every error one line.

`build` turns a mapping into a frozen dataclass; `schema` describes the same dataclass as JSON schema, so
that an editor knows what the loader accepts. Types: str, int, float, bool, Literal, X | None,
tuple[X, ...], dict[str, X] and dataclasses of these.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import math
import re
import types
import typing
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from cfm.errors import UserError, nearest

T = TypeVar("T")

PLAIN = r"[a-z][a-z0-9_]{0,63}"  # what may be part of a path and of a command
_LARGEST = 1 << 20  # bytes of a file of config/
_SHOWN = 80  # characters of a wrong name or value
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_SCHEMA_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean"}


class Where(typing.NamedTuple):
    """A place in a configuration: the file and the keys on the way to the value."""

    file: str
    keys: tuple[str, ...] = ()

    def __truediv__(self, key: object) -> Where:
        return Where(self.file, (*self.keys, str(key)))

    def __str__(self) -> str:
        return f"{self.file}: {'.'.join(self.keys)}" if self.keys else self.file


def check_name(name: str, known: Iterable[str], what: str, where: Where) -> str:
    """`name` if it is one of `known`; `UserError` with the nearest valid name otherwise."""
    options = list(known)
    if name not in options:
        raise UserError(f"{where}: unknown {what} '{name[:_SHOWN]}'; {nearest(name[:_SHOWN], options)}")
    return name


def check_plain(name: str, what: str, where: Where) -> str:
    """`name` if it may be part of a path and of a command: letters of the alphabet, digits, underscores."""
    if not re.fullmatch(PLAIN, name):
        raise UserError(
            f"{where}: {name[:_SHOWN]!a} is no {what}: lower-case letters a to z, digits and underscores, at most 64"
        )
    return name


def read_yaml(path: Path) -> Any:
    """What is in a YAML file (safe loader); `UserError` where it is missing or malformed."""
    try:
        if path.stat().st_size > _LARGEST:
            raise UserError(f"{path}: larger than {_LARGEST} bytes")
        return _Plain(path.read_text(encoding="utf-8")).get_single_data()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); run from the project's root") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply") from None
    except ValueError as error:  # no UTF-8, a date that is none, a number of thousands of digits
        raise UserError(f"{path}: {' '.join(str(error).split())}") from None


def load_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; `UserError` where it is missing, malformed or no mapping."""
    value = read_yaml(path)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{path}: a mapping of keys to values is expected")
    return value


class _Plain(yaml.SafeLoader):
    """YAML's safe loader without aliases (ten lines of them can stand for more than fits into memory), and with a key
    that is given twice as an error instead of a silent override."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()
            raise yaml.composer.ComposerError(problem="aliases (*) are not used here", problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(str(self.construct_object(key, deep=True)) for key, _ in node.value)
        twice = [key for key, times in keys.items() if times > 1]
        if twice:
            raise yaml.constructor.ConstructorError(
                problem=f"key given twice: {', '.join(sorted(twice))}", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


def build(cls: type[T], value: Any, where: Where) -> T:
    """An instance of the dataclass `cls` from a mapping; `UserError` on the first thing that is wrong."""
    arguments = check_keys(cls, value, where)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.init and field.name not in arguments and not _has_default(field):
            raise UserError(f"{where}: key '{field.name}' is missing")
    return cls(**arguments)


def check_keys(cls: type, value: Any, where: Where, partial: bool = False) -> dict[str, Any]:
    """The converted items of a mapping whose keys are all fields of `cls`; with `partial` at every depth
    (an overlay, where any key may be left out)."""
    if not isinstance(value, dict):
        _wrong("a mapping", value, where)
    value, hints = renamed(cls, value, where), _hints(cls)
    known = [field.name for field in dataclasses.fields(cls) if field.init]
    for key in value:
        if key not in known:
            raise UserError(f"{where}: unknown key '{key}'; {nearest(str(key), known)}")
    return {key: _convert(hints[key], item, where / key, partial) for key, item in value.items()}


def renamed(kind: Any, value: Any, where: Where) -> Any:
    """The value with today's names in the place of former ones (cfm/settings.py), at every depth."""
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return renamed(arguments[0], value, where)
    if not isinstance(value, dict):
        return value
    if typing.get_origin(kind) is dict:
        return {key: renamed(arguments[1], item, where / key) for key, item in value.items()}
    if not dataclasses.is_dataclass(kind):
        return value
    hints, found = _hints(typing.cast(type, kind)), {}
    today = {
        field.metadata["formerly"]: field.name for field in dataclasses.fields(kind) if "formerly" in field.metadata
    }
    for key, item in value.items():
        name = today.get(key, key)
        if name in found:
            raise UserError(f"{where}: '{key}' and '{name}' are one key: give it once")
        found[name] = renamed(hints[name], item, where / name) if name in hints else item
    return found


def schema(kind: Any) -> dict[str, Any]:
    """JSON schema of what `build` accepts for a type; unknown keys are forbidden."""
    if dataclasses.is_dataclass(kind):
        fields, hints = [f for f in dataclasses.fields(kind) if f.init], _hints(typing.cast(type, kind))
        return {
            "type": "object",
            "additionalProperties": False,
            "description": " ".join((kind.__doc__ or "").split()),
            "properties": {f.name: schema(hints[f.name]) for f in fields}
            | {f.metadata["formerly"]: schema(hints[f.name]) | {"deprecated": True} for f in fields if _former(f)},
            "required": [f.name for f in fields if not _has_default(f)],
        }
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [schema(a) for a in arguments]}
    if origin is tuple:
        return {"type": "array", "items": schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema(arguments[1])}
    return {"type": "null"} if kind is type(None) else {"type": _SCHEMA_NAMES[kind]}


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _former(field: dataclasses.Field[Any]) -> bool:
    """May a file still give it under its former name? A key that is needed has one name for editors."""
    return "formerly" in field.metadata and _has_default(field)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _convert(kind: Any, value: Any, where: Where, partial: bool) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        cls = typing.cast(type, kind)
        return check_keys(cls, value, where, partial) if partial else build(cls, value, where)
    if origin is typing.Literal:
        return check_name(str(value), arguments, where.keys[-1], where)
    if origin in (types.UnionType, typing.Union):
        words = [word for a in arguments if typing.get_origin(a) is typing.Literal for word in typing.get_args(a)]
        return value if value is None or value in words else _convert(_arm(arguments, value), value, where, partial)
    if origin is tuple:
        if not isinstance(value, list):
            _wrong("a list", value, where)
        return tuple(_convert(arguments[0], item, where / index, partial) for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            _wrong("a mapping", value, where)
        return {str(key): _convert(arguments[1], item, where / key, partial) for key, item in value.items()}
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        _wrong(_NAMES[kind], value, where)
    if kind is float and not math.isfinite(value):
        _wrong("a finite number", value, where)
    return value


def _arm(kinds: tuple[Any, ...], value: Any) -> Any:
    """The kind of a union that a value is meant as: by its form, a list, a mapping or one of the others."""
    known = [kind for kind in kinds if kind is not type(None)]
    form = dict if isinstance(value, dict) else tuple if isinstance(value, list) else None
    number = type(value) in (int, float)
    fitting = [kind for kind in known if typing.get_origin(kind) is form and (kind is float) == number]
    return (fitting or known)[0]


def _wrong(expected: str, value: Any, where: Where) -> typing.NoReturn:
    hint = ""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value):
        hint = f"; YAML reads {value} as text, write {float(value)!r}"
    if expected == _NAMES[str] and isinstance(value, int | float | datetime.date):
        hint = "; write it in quotes, since YAML reads it as something else"
    shown = repr(value)
    shown = shown if len(shown) <= 2 * _SHOWN else f"{shown[: 2 * _SHOWN]}..."
    raise UserError(f"{where}: {expected} is expected, got {shown}{hint}")
