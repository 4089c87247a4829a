"""Opening a stranger's configuration, results or data executes nothing and ends in one clear line.

Every payload would make the file `canary`, if anything ran it.
"""

import ast
import contextlib
import gzip
import json
import os
import pickle
import re
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cfm import commands, image_files
from cfm.__main__ import main
from cfm.entries import load_methods
from cfm.errors import UserError
from cfm.measured import read_metrics
from cfm.progress import notes
from cfm.reproduce import _only_one
from cfm.resume import atomic, check_archive, read_json, write_arrays, write_text
from cfm.sources import Source
from cfm.strict import Where, check_plain

ROOT = Path(__file__).parent.parent.parent
DATASET = "moons_8gaussians"
SHELL = [
    "x; touch canary",
    "$(touch canary)",
    "`touch canary`",
    "x\ntouch canary",
    "' ; touch canary ; '",
    '"x"',
    "-rf",
]
PATHS = ["../x", "/x", "a/b", "..", ".x", "x" * 300, "оtcfm", "ａ", "x\x00", "x\x1b[2J", "X", ""]


class _Payload:
    """Makes the canary when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, ("canary",)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of config/ with finished runs of the identity and of the oracle on one data set."""
    folder = tmp_path_factory.mktemp("hostile") / "project"
    shutil.copytree(ROOT / "config", folder / "config")
    smoke = folder / "config/budgets/smoke.yaml"
    smoke.write_text(smoke.read_text().replace("datasets: [gaussian_8gaussians]", f"datasets: [{DATASET}]", 1))
    with contextlib.chdir(folder):
        commands.data("smoke", "toy2d", DATASET)
        for method in ("identity", "oracle"):
            commands.sample("smoke", "toy2d", DATASET, method, None, None)
            commands.evaluate("smoke", "toy2d", DATASET, method, None, None)
    return folder


@pytest.fixture
def place(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy to spoil, as working directory; nothing in it may have made a canary."""
    shutil.copytree(prepared, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("CFM_CACHE", "cache")
    yield tmp_path / "project"
    assert not list(tmp_path.rglob("canary*"))


@pytest.fixture
def refused(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a verb that must end with code 2 and one line, which is returned."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        try:
            code = main([*arguments])
        except SystemExit as end:
            code = end.code
        lines = capsys.readouterr().err.splitlines()
        lines = [line for line in lines if not line.startswith(("evaluate ", "sample ", "train "))]  # progress
        assert code == 2 and len(lines) == 1 and lines[0].startswith("error: "), (code, lines)
        assert lines[0].isprintable() and len(lines[0]) < 1500
        return lines[0]

    return run


def _replace(file: str, old: str, new: str) -> None:
    path = Path("config") / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


LAUGHS = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 8)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x: !!python/object/apply:os.system ['touch canary']", "could not determine a constructor"),
        ("x: !!python/object/new:os.mkdir [canary]", "could not determine a constructor"),
        ("x: !!python/name:os.system", "could not determine a constructor"),
        ("x: !!python/module:antigravity", "could not determine a constructor"),
        (LAUGHS, "aliases"),
        ("a: &a [*a]", "aliases"),
        ("a: {<<: {b: 1}, <<: {b: 2}}", "key given twice"),
        ("[" * 20_000, "nested too deeply"),
        ("x: " + "9" * 5000, "4300 digits"),
        ("x: 2001-99-99", "month must be in 1..12"),
        ("? [a, b]\n: 1", "unhashable"),
        ("x" * (1 << 20) + "x", "larger than"),
        (b"x: \xff\xfe", "can't decode"),
        ("x: \x00", "special characters"),
        ("- 1", "a mapping of keys"),
        ("1: {label: a, family: identity}", "'1' is no name"),
    ],
    ids=lambda value: str(value)[:24],
)  # fmt: skip
def test_hostile_yaml(place: Path, content: str | bytes, message: str) -> None:
    path = Path("config/methods.yaml")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        load_methods([])
    assert str(error.value).startswith(str(path)) and message in str(error.value)
    assert str(error.value).isprintable() and len(str(error.value)) < 500


@pytest.mark.parametrize("name", SHELL + PATHS)
def test_hostile_names(name: str) -> None:
    with pytest.raises(UserError, match="is no name: ") as error:
        check_plain(name, "name", Where("here"))
    assert str(error.value).isascii() and str(error.value).isprintable() and len(str(error.value)) < 500


@pytest.mark.parametrize("name", ["x; touch canary", "../x"])
@pytest.mark.parametrize(
    ("file", "section", "value"),
    [
        ("methods.yaml", "", "{label: a, family: identity, experiments: [toy2d]}"),
        ("datasets.yaml", "", "{label: a, family: toy2d, source: gaussian, target: moons}"),
        ("experiments/toy2d.yaml", "solvers", "{scheme: euler, steps: 2}"),
        ("experiments/toy2d.yaml", "tables", "{kind: ranks, caption: a}"),
        ("experiments/toy2d.yaml", "figures", "{kind: runtime, caption: a}"),
    ],
)
def test_hostile_names_become_no_paths_and_no_parts_of_commands(
    refused: Callable[..., str], name: str, file: str, section: str, value: str
) -> None:
    path, entry = Path("config") / file, f"{json.dumps(name)}: {value}\n"
    text = path.read_text()
    path.write_text(text.replace(f"\n{section}:\n", f"\n{section}:\n  {entry}") if section else f"{text}\n{entry}")
    assert "is no name" in refused("collect", "--experiment", "toy2d")


def test_a_hostile_name_of_an_experiments_file(refused: Callable[..., str]) -> None:
    name = "x; touch canary"
    Path(f"config/experiments/{name}.yaml").write_text("title: a\n")
    _replace("config.yaml", "experiments: [", f"experiments: ['{name}', ")
    assert "is no name" in refused("check")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("config.yaml", "results: results", "results: 'r; touch canary'", "results: a path of letters"),
        ("config.yaml", "results: results", "results: $(touch canary)", "results: a path of letters"),
        ("config.yaml", "results: results", 'results: "a\\ntouch canary"', "results: a path of letters"),
        ("config.yaml", "results: results", "results: -rf", "results: a path of letters"),
        ("config.yaml", "results: results", "results: ''", "results: a path of letters"),
        ("methods.yaml", "family: flow_matching", "family: ../../evil", "unknown family '../../evil'"),
        ("methods.yaml", "family: flow_matching", "family: os", "unknown family 'os'"),
        ("methods.yaml", "label: I-CFM", 'label: "a\\n| b"', "one line of text without $"),
        ("methods.yaml", "label: I-CFM", "label: $\\frac{$", "one line of text without $"),
        ("methods.yaml", "sigma: 0.1", "sigma: .nan", "a finite number is expected, got nan"),
        ("methods.yaml", "sigma: 0.1", "sigma: -.inf", "a finite number is expected, got -inf"),
        ("methods.yaml", "sigma: 0.1", f"sigma: {'x' * 9000}", "a number is expected, got 'xxx"),
        ("experiments/toy2d.yaml", "kind: comparison", "kind: ../evil", "unknown table '../evil'"),
        ("experiments/toy2d.yaml", "kind: paths", "kind: base.os", "unknown figure 'base.os'"),
        ("experiments/toy2d.yaml", "steps: 20000", "steps: -1", "train.steps: a positive number"),
        ("experiments/toy2d.yaml", "learning_rate: 0.001", "learning_rate: 0.0", "learning_rate: a positive number"),
        ("experiments/toy2d.yaml", "train: 10000", "train: -1", "sizes.train: a positive number"),
        ("experiments/toy2d.yaml", "scheme: euler, steps: 2}", "scheme: euler, steps: 0}", "euler2.steps: a positive"),
        ("experiments/toy2d.yaml", "seeds: [42, 43", "seeds: [42, 42", "different whole numbers"),
        ("experiments/toy2d.yaml", "seeds: [42,", "seeds: [-1,", "different whole numbers"),
        ("experiments/toy2d.yaml", "seeds: [42,", f"seeds: [{2**64},", "different whole numbers"),
        ("experiments/toy2d.yaml", "seeds_per_job: 5", "seeds_per_job: 0", "seeds_per_job: a positive number"),
    ],
)  # fmt: skip
def test_hostile_settings(refused: Callable[..., str], file: str, old: str, new: str, message: str) -> None:
    _replace(file, old, new)
    assert message in refused("collect", "--budget", "paper", "--experiment", "toy2d")


@pytest.mark.parametrize("name", ["$(touch canary)", "../x\n", "оtcfm" + "x" * 300])
def test_hostile_names_on_the_command_line(refused: Callable[..., str], name: str) -> None:
    """Of budget, experiment, data set, method, table, figure, profile, cores, and those of a new method."""
    where = ["--experiment", "toy2d", "--dataset", DATASET]
    for arguments in (
        ["check", f"--budget={name}"],
        ["show", f"--experiment={name}", "--dataset", DATASET, "--method", "icfm"],
        ["data", "--experiment", "toy2d", f"--dataset={name}"],
        ["train", *where, f"--method={name}"],
        ["evaluate", *where, "--method", "identity", f"--seeds={name}"],
        ["table", "--experiment", "toy2d", f"--name={name}"],
        ["figure", "--experiment", "toy2d", "--name", "trajectories", f"--dataset={name}"],
        ["collect", f"--experiment={name}"],
        ["status", f"--experiments=toy2d {name}x"],
        ["new-method", "--", name],
    ):
        refused(*arguments)
    Path("workflow").symlink_to(ROOT / "workflow")
    assert "PROFILE" in refused("reproduce", "--budget", "smoke", f"--profile={name}")
    assert "CORES" in refused("reproduce", "--budget", "smoke", f"--cores={name}")


def _run(method: str, file: str) -> Path:
    return Path(f"results/smoke/toy2d/{DATASET}/{method}/seed=42/{file}")


def _verb(name: str, method: str) -> list[str]:
    return [name, "--budget", "smoke", "--experiment", "toy2d", "--dataset", DATASET, "--method", method]


def _pickled_arrays(path: Path) -> None:
    np.savez(path, x0=np.array([_Payload()], dtype=object), nfe=1, seconds=1.0)


def _pickled_array(path: Path) -> None:
    with open(path, "wb") as file:
        np.save(file, np.array([_Payload()], dtype=object))


def _torch_pickle(path: Path) -> None:
    torch.save({"best.theta": _Payload()}, path)


def _plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(_Payload()))


def _huge_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")


def _lying_header(path: Path) -> None:
    header = json.dumps({"best.x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def _lying_array(path: Path) -> None:
    """An array of a terabyte, says its header, and nothing after it."""
    with zipfile.ZipFile(path, "w") as archive, archive.open("x0.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (2**38,)})  # type: ignore[arg-type]


def _bomb(path: Path) -> None:
    """Says that it unpacks to two gigabytes, of 2 MB of zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x0.npy", bytes(1 << 21))
    content = bytearray(path.read_bytes())
    central = content.rindex(b"PK\x01\x02")
    content[central + 24 : central + 28] = struct.pack("<I", (1 << 31) - 1)
    path.write_bytes(content)


def _other_arrays(path: Path) -> None:
    write_arrays(path, {"x0": np.array(["a"]), "x1": np.zeros(3)})


def _link_to_a_secret(path: Path) -> None:
    Path("secret").write_text("password")
    path.unlink(missing_ok=True)
    path.symlink_to(Path("secret").absolute())


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


SPOILS = [
    _pickled_arrays, _pickled_array, _torch_pickle, _plain_pickle, _huge_header, _lying_header, _lying_array, _bomb,
    _other_arrays, _link_to_a_secret, _folder,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILS)
def test_hostile_arrays_and_models(refused: Callable[..., str], spoil: Callable[[Path], None]) -> None:
    """As samples, as prepared data, as a trained model and as half-trained state of the same settings."""
    for file, verb, method in (
        (_run("oracle", "samples/rk4.npz"), "evaluate", "oracle"),
        (_run("otcfm", "model.safetensors"), "sample", "otcfm"),
        (Path(f"results/smoke/toy2d/{DATASET}/data.npz"), "sample", "oracle"),
    ):
        file.parent.mkdir(parents=True, exist_ok=True)
        spoil(file)
        line = refused(*_verb(verb, method))
        assert file.name in line and ("damaged" in line or "missing" in line)


GOOD = {"status": "ok", "reason": "", "nfe": 4, "metrics": {"w2": 1.0}}


@pytest.mark.parametrize(
    "content",
    [
        '{"rk4": {}, "rk4": {}}',
        '{"rk4": 1}',
        "[]",
        "{",
        "",
        b"\xff",
        "[" * 100_000,
        json.dumps({"rk4": GOOD}).replace("1.0", "NaN"),
        json.dumps({"rk4": GOOD}).replace("1.0", "1e999"),
        json.dumps({"rk4": GOOD}).replace("1.0", '"1.0"'),
        json.dumps({"rk4": GOOD}).replace("w2", "__class__"),
        json.dumps({"rk4": GOOD | {"status": "fine"}}),
        json.dumps({"rk4": GOOD | {"nfe": 1e9}}),
        json.dumps({"rk4": GOOD | {"status": "failed"}}),
        json.dumps({"rk4": GOOD | {"more": 1}}),
    ],
    ids=lambda content: str(content)[:40],
)
def test_hostile_metrics(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "metrics.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=r"metrics.json: .*; delete it and run again") as error:
        read_metrics(path)
    assert str(error.value).isprintable()
    path.write_text(json.dumps({"rk4": GOOD}))
    assert read_metrics(path) == {"rk4": GOOD}


def test_hostile_metrics_are_said_by_every_command_that_reads_them(refused: Callable[..., str]) -> None:
    _replace("experiments/toy2d.yaml", "seeds: [42,", "only: [identity, oracle]\nseeds: [42,")
    Path("config/budgets/smoke.yaml").write_text(f"experiments: {{toy2d: {{datasets: [{DATASET}], seeds: [42]}}}}")
    text = Path("config/experiments/toy2d.yaml").read_text()
    text = re.sub(r"train_of:\n(  .*\n)*\n", "", text).split("\nfigures:\n")[0]
    Path("config/experiments/toy2d.yaml").write_text(text)
    _run("identity", "metrics.json").write_text("{")
    for arguments in (
        ["status", "--budget", "smoke", "--experiments", "toy2d"],
        ["collect", "--budget", "smoke", "--experiment", "toy2d"],
        _verb("evaluate", "oracle"),
    ):
        assert "metrics.json: damaged" in refused(*arguments)


def test_a_hostile_reason_is_one_line_in_the_terminal(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = {"status": "failed", "reason": "a\n\x1b[2Jb", "nfe": None, "metrics": {}}
    write_text(_run("identity", "metrics.json"), json.dumps({"rk4": result}))
    main(["status", "--budget", "smoke", "--experiments", "toy2d"])
    out = capsys.readouterr().out
    assert "seed=42: a\\n\\x1b[2Jb (" in out and "\x1b" not in out


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe", b'"', b"x" * 100_000, b"dataset" + b"," * 9])
def test_hostile_tables_of_runs(refused: Callable[..., str], content: bytes) -> None:
    path = Path("results/smoke/toy2d/runs.csv")
    path.write_bytes(content)
    assert "runs.csv: damaged" in refused("table", "--budget", "smoke", "--experiment", "toy2d", "--name", "table2")


def test_notes_of_progress_that_are_none_are_left_out(tmp_path: Path) -> None:
    good = {"job": "train a/b/c", "pid": os.getpid(), "step": 1, "steps": 2, "text": "", "began": 0.0, "updated": 0.0}
    for name, change in enumerate(
        ({"pid": -1}, {"pid": "1"}, {"pid": 2**70}, {"job": "x"}, {"text": "\x1b[2J"}, {"a": 1})
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(good | change))
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert not [*notes(tmp_path)]
    (tmp_path / "good.json").write_text(json.dumps(good))
    assert len([*notes(tmp_path)]) == 1


def test_links_in_results_are_not_followed_where_something_is_written(place: Path) -> None:
    victim = place / "victim"
    victim.write_text("precious")
    root = Path("results/smoke")
    (root / ".lock").symlink_to(victim)
    with pytest.raises(UserError, match=r"\.lock: a symbolic link"), _only_one(root / ".lock"):
        pass
    (root / ".lock").unlink()
    (root / "logs/toy2d").mkdir(parents=True)
    (root / "logs/toy2d/collect.log").symlink_to(victim)
    with pytest.raises(UserError, match=r"collect.log: a symbolic link"), _only_one(root / ".lock"):
        pass
    (root / "runs.csv").symlink_to(victim)
    with atomic(root / "runs.csv") as temporary:  # takes the link's place
        temporary.write_text("new")
    assert victim.read_text() == "precious" and (root / "runs.csv").read_text() == "new"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Source("x.npz", url="file:///etc/passwd"), "begins with http:// or https://"),
        (Source("x.npz", url="ftp://host/x"), "begins with http:// or https://"),
        (Source("../x.npz", url="http://127.0.0.1:1/x"), "without '..'"),
        (Source("a/../../x.npz", url="http://127.0.0.1:1/x"), "without '..'"),
        (Source("/x/x.npz", url="http://127.0.0.1:1/x"), "without '..'"),
    ],
)
def test_downloads_come_from_the_web_and_stay_in_the_cache(place: Path, source: Source, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        source.fetch()
    assert type(error.value) is UserError  # and no warning about a host that does not answer


CELLS = """
cells:
  label: cells
  family: snapshots
  file: FILE
  matrix: X
  labels: day
  dims: 2
  snapshots: 3
  left_out: 1
"""
EXPERIMENT = """
title: Cells
datasets: [cells]
seeds: [42]
train: {width: 8, depth: 2, batch_size: 8, steps: 10, learning_rate: 0.001, weight_decay: 0.0, validate_every: 5}
solvers: {euler: {scheme: euler, steps: 5}}
metrics: [w2]
"""


def _cells(file: str) -> list[str]:
    Path("config/datasets.yaml").write_text(Path("config/datasets.yaml").read_text() + CELLS.replace("FILE", file))
    Path("config/experiments/cells.yaml").write_text(EXPERIMENT)
    _replace("methods.yaml", "family: identity\n  experiments: [", "family: identity\n  experiments: [cells, ")
    return ["data", "--budget", "smoke", "--experiment", "cells", "--dataset", "cells"]


def _hdf5(path: Path, fill: Callable[[Any], None]) -> None:
    import h5py

    path.unlink(missing_ok=True)
    with h5py.File(path, "w") as file:
        fill(file)


def _linked_elsewhere(file: Any) -> None:
    import h5py

    file["obs"] = h5py.ExternalLink("/etc/passwd", "/")
    file["obsm"] = h5py.ExternalLink("/etc/passwd", "/")


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        ("c.npz", _pickled_arrays),
        ("c.npz", _plain_pickle),
        ("c.npz", _lying_array),
        ("c.npz", _bomb),
        ("c.h5ad", _plain_pickle),
        ("c.h5ad", lambda path: _hdf5(path, lambda file: None)),
        ("c.h5ad", lambda path: _hdf5(path, lambda file: file.create_dataset("obsm", data=3))),
        ("c.h5ad", lambda path: _hdf5(path, _linked_elsewhere)),
        ("c.csv", _plain_pickle),
    ],
)
def test_hostile_cells(refused: Callable[..., str], file: str, spoil: Callable[[Path], None]) -> None:
    arguments = _cells(file)
    spoil(Path(file))
    assert file in refused(*arguments)


def test_a_folder_of_data_with_an_odd_name_is_a_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = _cells("c.npz")
    folder = place.parent / "a b;$(touch canary)`touch canary`'\"\n-é"
    folder.mkdir()
    rng = np.random.default_rng(1)
    np.savez(folder / "c.npz", X=rng.standard_normal((60, 2)), day=np.repeat([0, 1, 2], 20))
    monkeypatch.setenv("CFM_DATA", str(folder))
    assert main(arguments) == 0
    assert Path("results/smoke/cells/cells/data.npz").exists()
    (folder / "c.npz").write_bytes(b"no archive")
    with pytest.raises(UserError) as error:
        commands.data("smoke", "cells", "cells")
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "content",
    [
        b"no gzip",
        gzip.compress(bytes(100)),
        gzip.compress(bytes(100_000_000), 1),
        gzip.compress(struct.pack(">IIII", 2051, 2**31, 2**31, 2**31) + bytes(10)),
        gzip.compress(bytes(1000))[:-9],
        gzip.compress(bytes(1000))[:12] + b"\xff" * 20,
    ],
    ids=["no gzip", "short", "bomb", "lying header", "cut", "damaged"],
)  # fmt: skip
def test_hostile_pictures(place: Path, content: bytes) -> None:
    names = [f"{name}.gz" for name in image_files._MNIST_SHA256]
    for name in names:
        Path(name).write_bytes(content)
    with pytest.raises(UserError, match=r"train-images.*(not a whole gzip file|another or a damaged file)") as error:
        image_files.ARCHIVES["mnist"].read([Path(name) for name in names])
    assert str(error.value).isprintable()


def test_an_archive_of_much_data_is_no_bomb(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "zeros.npz", x=np.zeros(10_000_000))
    check_archive(tmp_path / "zeros.npz")


def test_json_of_strangers_is_an_object_with_every_key_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": {"b": 1, "b": 2}}')
    with pytest.raises(UserError, match=r"a.json: damaged .*a key is given twice"):
        read_json(path)


def test_no_code_here_unpickles_evaluates_or_asks_a_shell() -> None:
    """And no module is imported that does, but by packages of others."""
    for path in [*(ROOT / "cfm").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & {"pickle", "marshal", "shelve", "dill", "joblib"}, path
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in ("eval", "exec", "os.system", "os.popen", "torch.load", "yaml.load"), (path, name)
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert given.get("shell", "False") == "False" and given.get("allow_pickle", "False") == "False", path
