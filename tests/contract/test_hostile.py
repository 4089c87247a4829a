"""Opening a stranger's configuration executes nothing and ends in one clear line, as do odd words in a command.

Every payload would make the file `canary`, if anything ran it.
"""

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cfm.config.entries import load_methods
from cfm.config.strict import Where, check_plain
from cfm.datasets.reading.sources import Source
from cfm.errors import UserError
from tests.contract.conftest import DATASET, ROOT

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
        ("a: {<<: {b: 1}, c: 2}", "could not determine a constructor"),
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
        ["check-method", "--", name],
    ):
        refused(*arguments)
    Path("workflow").symlink_to(ROOT / "workflow")
    assert "PROFILE" in refused("reproduce", "--budget", "smoke", f"--profile={name}")
    assert "CORES" in refused("reproduce", "--budget", "smoke", f"--cores={name}")


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
