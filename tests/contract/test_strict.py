"""Strict dataclasses: what is right round-trips, what is wrong is one line that names the place."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfm.config.strict import Where, build, check_keys, load_yaml, schema
from cfm.errors import UserError, nearest
from cfm.fingerprint import as_json
from cfm.settings import Experiment, Solver, Training

HERE = Where("file.yaml")


@dataclass(frozen=True)
class Inner:
    """Inside."""

    x: float
    name: str = "a"


@dataclass(frozen=True)
class Outer:
    """Every kind of field."""

    count: int
    flag: bool
    kind: Literal["one", "two"]
    inner: Inner
    many: tuple[Inner, ...] = ()
    by_name: dict[str, float] = field(default_factory=dict)
    maybe: int | None = None


GOOD: dict[str, Any] = {
    "count": 3,
    "flag": True,
    "kind": "one",
    "inner": {"x": 1},
    "many": [{"x": 2.5, "name": "b"}],
    "by_name": {"k": 4},
    "maybe": None,
}


def test_a_right_mapping_builds_and_round_trips() -> None:
    built = build(Outer, GOOD, HERE)
    assert built.inner == Inner(1.0) and isinstance(built.inner.x, float)
    assert built.many == (Inner(2.5, "b"),) and built.by_name == {"k": 4.0}
    assert build(Outer, json.loads(json.dumps(as_json(built))), HERE) == built


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cuont": 1}, r"file.yaml: unknown key 'cuont'; did you mean 'count'\?"),
        ({"zzz": 1}, r"unknown key 'zzz'; valid: by_name, count, flag"),
        ({"count": 3.0}, r"file.yaml: count: a whole number is expected, got 3.0"),
        ({"count": True}, r"count: a whole number is expected, got True"),
        ({"count": "1e5"}, r"got '1e5'; YAML reads 1e5 as text, write 100000.0"),
        ({"flag": 1}, r"flag: true or false is expected, got 1"),
        ({"flag": "yes"}, r"flag: true or false is expected, got 'yes'"),
        ({"kind": "tow"}, r"kind: unknown kind 'tow'; did you mean 'two'\?"),
        ({"kind": 1}, r"kind: unknown kind '1'"),
        ({"inner": 3}, r"file.yaml: inner: a mapping is expected, got 3"),
        ({"inner": {}}, r"file.yaml: inner: key 'x' is missing"),
        ({"inner": {"x": "1"}}, r"inner.x: a number is expected, got '1'"),
        ({"inner": {"x": True}}, r"inner.x: a number is expected, got True"),
        ({"inner": {"x": None}}, r"inner.x: a number is expected, got None"),
        ({"many": {"x": 1}}, r"many: a list is expected"),
        ({"many": [{"x": 1}, {"y": 1}]}, r"many.1: unknown key 'y'"),
        ({"by_name": [1]}, r"by_name: a mapping is expected"),
        ({"by_name": {"k": "v"}}, r"by_name.k: a number is expected, got 'v'"),
        ({"maybe": "x"}, r"maybe: a whole number is expected, got 'x'"),
    ],
)
def test_a_wrong_mapping_says_where(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        build(Outer, GOOD | change, HERE)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", ["count", "flag", "kind", "inner"])
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(UserError, match=f"key '{key}' is missing"):
        build(Outer, {k: v for k, v in GOOD.items() if k != key}, HERE)


def test_an_overlay_may_leave_out_but_not_misspell() -> None:
    assert check_keys(Experiment, {"train": {"steps": 5}}, HERE, partial=True) == {"train": {"steps": 5}}
    with pytest.raises(UserError, match=r"train: unknown key 'stepps'; did you mean 'steps'"):
        check_keys(Experiment, {"train": {"stepps": 5}}, HERE, partial=True)
    with pytest.raises(UserError, match=r"solvers.rk4.steps: a whole number"):
        check_keys(Experiment, {"solvers": {"rk4": {"steps": "many"}}}, HERE, partial=True)


@given(
    width=st.integers(1, 999),
    rate=st.floats(1e-9, 1e3) | st.integers(1, 10),
    checkpoint=st.sampled_from(["best", "last"]),
)
def test_settings_round_trip(width: int, rate: float, checkpoint: str) -> None:
    value = {
        "width": width,
        "depth": 3,
        "batch_size": 8,
        "steps": 5,
        "learning_rate": rate,
        "weight_decay": 0,
        "validate_every": 1,
        "checkpoint": checkpoint,
    }
    built = build(Training, value, HERE)
    assert build(Training, as_json(built), HERE) == built
    assert built.learning_rate == rate


def test_the_schema_forbids_what_the_loader_forbids() -> None:
    described = schema(Outer)
    assert described["additionalProperties"] is False
    assert described["required"] == ["count", "flag", "kind", "inner"]
    assert described["properties"]["kind"] == {"enum": ["one", "two"]}
    assert described["properties"]["maybe"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    assert described["properties"]["many"]["items"]["additionalProperties"] is False
    assert schema(Solver)["properties"]["scheme"]["enum"] == ["euler", "midpoint", "rk4", "dopri5"]


def test_hints() -> None:
    assert nearest("otcmf", ["icfm", "otcfm"]) == "did you mean 'otcfm'?"
    assert nearest("xyz", ["icfm", "otcfm"]) == "valid: icfm, otcfm"
    assert nearest("xyz", []) == "valid: none"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "key given twice: a"),
        ("x:\n  a: 1\n  a: 2\n", "key given twice"),
        ("[1, 2]", "a mapping"),
        ("a: [", "yaml"),
    ],
)
def test_yaml_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        load_yaml(path)
    assert "\n" not in str(error.value)


def test_a_missing_yaml_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run from the project's root"):
        load_yaml(tmp_path / "absent.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert load_yaml(tmp_path / "empty.yaml") == {}
