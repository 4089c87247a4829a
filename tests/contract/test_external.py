"""External methods: a program gets its job, and only what can be measured is; the skeletons run as they are written."""

import contextlib
import json
import re
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cfm import config as configuration
from cfm.artifacts.layout import samples_path
from cfm.artifacts.samples import read
from cfm.cli import cells
from cfm.cli.new_method import _FAMILY, new_method
from cfm.config import Config
from cfm.datasets.base import Prepared
from cfm.errors import UserError
from cfm.files import read_arrays, write_arrays
from cfm.methods.base import Batch
from cfm.methods.flow_matching import FlowMatching
from cfm.workflow import external_packages as packages
from cfm.workflow.external import forget_failures, require_rules, run, settle
from cfm.workflow.status import run_states

ROOT = Path(__file__).parent.parent.parent
DATASET = "moons_8gaussians"
WHERE = ("toy2d", DATASET, "steady")
CELL = {"budget": "smoke", **dict(zip(("experiment", "dataset", "method"), WHERE, strict=True))}
SEEDS = (42, 43)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with config/ and the external method `steady`, as `new-method --rule` writes it; data prepared."""
    folder = tmp_path_factory.mktemp("external") / "project"
    for name in ("config", "workflow"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "cfm/methods").mkdir(parents=True)
    with contextlib.chdir(folder):
        new_method(configuration.load("smoke", ("toy2d",)), "steady", "toy2d", rule=True)
        smoke = folder / "config/budgets/smoke.yaml"
        text = smoke.read_text().replace("datasets: [gaussian_8gaussians]", f"datasets: [{DATASET}]", 1)
        smoke.write_text(text.replace("methods: [identity, oracle,", "methods: [identity, steady, oracle,", 1))
        toy = folder / "config/experiments/toy2d.yaml"
        text = re.sub(r"  euler2:(.|\n)*?  dopri5", "  dopri5", toy.read_text()).split("\nfigures:\n")[0]
        toy.write_text(text)
        cells.data("smoke", "toy2d", DATASET)
        cells.sample(budget="smoke", experiment="toy2d", dataset=DATASET, method="identity")
        cells.evaluate(budget="smoke", experiment="toy2d", dataset=DATASET, method="identity")
    return folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to spoil."""
    shutil.copytree(prepared, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def _config() -> Config:
    return configuration.load("smoke", ("toy2d",))


def _runs(config: Config) -> dict[int, Path]:
    return {seed: config.layout.run(*WHERE, seed) for seed in SEEDS}


def _program(old: str = "", new: str = "") -> list[str]:
    path = Path("workflow/rules/methods/steady.py")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return [sys.executable, str(path)]


def _measured() -> dict[str, Any]:
    cells.evaluate(**CELL)
    found: dict[str, Any] = json.loads((_runs(_config())[42] / "metrics.json").read_text())
    return found


def test_the_skeleton_of_a_rule_runs_and_is_measured(project: Path) -> None:
    config = _config()
    assert run(config, WHERE, _runs(config), _program(), None) == {}
    assert {result["status"] for result in _measured().values()} == {"ok"}
    result = _measured()["rk4"]
    assert result["metrics"]["w2"] > 0 and result["metrics"]["w2_large"] > 0 and result["nfe"] == 0
    stored = read_arrays(samples_path(_runs(config)[42], "rk4"))
    sample = json.loads(str(stored["provenance"]))["sample"]
    assert sample["command"][-1].endswith("steady.py") and len(sample["files"]) == 2


def _arrays(**changed: Any) -> dict[str, Any]:
    """Samples of a good program, but for what is changed; None takes an array away."""
    x0 = np.arange(20, dtype=np.float32).reshape(10, 2)
    good = {"x0": x0, "trajectory": np.stack([x0, x0 + 1]), "t": np.array([0, 1.0]), "nfe": 4, "seconds": 0.1}
    return {name: value for name, value in (good | changed).items() if value is not None}


X0 = _arrays()["x0"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"x0": None}, "array 'x0' is missing"),
        ({"trajectory": None}, "array 'trajectory' is missing, or 'x1'"),
        ({"x0": X0[:5]}, "x0 (5, 2): a row for each of 10 test points is needed"),
        ({"x0": X0[::-1]}, "x0 are other points than 'test_0', or in another order"),
        ({"x0": np.hstack([X0, X0])}, "x0 (10, 4): points in 2 dimensions are needed, a row for each"),
        ({"x0": X0[0]}, "x0 (2,): points in 2 dimensions are needed, a row for each"),
        ({"x0": X0 * np.nan}, "x0 is not finite"),
        ({"x0": X0.astype(str)}, "x0 is no array of numbers"),
        ({"x0": X0.astype(complex)}, "x0 is no array of numbers"),
        ({"target": X0}, "unknown array 'target'; known: energy, nfe, seconds, t, train_seconds, trajectory, x0, x1"),
        ({"x1": X0}, "both x1 and trajectory: one of them is needed"),
        ({"x1": X0[:5], "trajectory": None}, "x0 (10, 2), x1 (5, 2): equal shapes are needed"),
        ({"energy": np.full(10, np.inf)}, "energy (10,): a finite number for each of 10 points is needed"),
        ({"energy": X0}, "energy (10, 2): a finite number for each of 10 points is needed"),
        ({"trajectory": np.stack([X0 + 1, X0])}, "trajectory does not start at x0"),
        ({"trajectory": np.stack([X0] * 3)}, "trajectory (3, 10, 2): (2, 10, 2) is needed, as t and x0 have it"),
        ({"t": np.array([0, 2.0])}, "t is to ascend from 0 to 1"),
        ({"t": np.array([1.0, 0])}, "t is to ascend from 0 to 1"),
        ({"t": np.array([0, np.nan])}, "t is to ascend from 0 to 1"),
        ({"nfe": 0.5}, "nfe is to be one whole number, 0 or more"),
        ({"nfe": [1, 2]}, "nfe is to be one whole number, 0 or more"),
        ({"seconds": -1.0}, "seconds is to be one number, 0 or more"),
        ({"train_seconds": np.nan}, "train_seconds is to be one number, 0 or more"),
        ({"provenance": "[1]"}, "provenance is no JSON object"),
        ({"failure": "two\nlines"}, "failure is no text of one line"),
        ({"failure": 3}, "failure is no text of one line"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    data = Prepared({"test_0": X0, "test_1": X0}, dim=2, gaussian_source=False)
    write_arrays(tmp_path / "rk4.npz", _arrays())
    assert read(tmp_path / "rk4.npz", data)[1] is None
    write_arrays(tmp_path / "rk4.npz", _arrays(**changed))
    assert read(tmp_path / "rk4.npz", data)[1] == f"rk4.npz: {reason}"


def test_files_that_are_none(tmp_path: Path) -> None:
    data = Prepared({"test_1": X0}, dim=2, gaussian_source=True)
    path = tmp_path / "rk4.npz"
    assert read(path, data)[1] == "rk4.npz: was not written"
    for content in (b"", b"no archive", b"PK\x05\x06"):
        path.write_bytes(content)
        assert read(path, data)[1] == "rk4.npz: damaged (BadZipFile)"
    np.savez(path, **_arrays(x0=np.array([{}], dtype=object)))
    assert read(path, data)[1] == "rk4.npz: damaged (ValueError)"  # a pickle, which is not opened
    write_arrays(path, {"failure": np.array("it did not converge")})
    assert read(path, data)[1] is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "target = ",
            "raise SystemExit('no luck\\x1b[2J today')\ntarget = ",
            "steady.py ended with exit code 1: no luck[2J today",
        ),
        ("target = ", "raise SystemExit(0)\ntarget = ", "rk4.npz: was not written"),
        ("np.stack([x0, x1])", "np.stack([x0, x1 * np.nan])", "the samples are not finite"),
    ],
)
def test_a_program_that_fails_is_a_failed_run_with_one_line(project: Path, old: str, new: str, reason: str) -> None:
    config = _config()
    failed = run(config, WHERE, _runs(config), _program(old, new), None)
    result = _measured()["rk4"]
    assert result["status"] == "failed" and result["metrics"] == {} and result["reason"].startswith(reason)
    assert set(failed) == (set() if "finite" in reason else {42, 43})  # that is found in evaluation


def test_a_program_that_is_not_there_and_one_that_is_stopped(project: Path) -> None:
    config = _config()
    failed = run(config, WHERE, _runs(config), ["./nowhere"], None)
    assert failed == dict.fromkeys(SEEDS, "./nowhere: cannot be run (No such file or directory)")
    stopped = _program("target = ", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)\ntarget = ")
    with pytest.raises(UserError, match=r"stopped \(signal 15\)"):  # by the user: that is no result
        run(config, WHERE, _runs(config), stopped, None)


def test_packages_that_cannot_be_had_fail_the_row_and_nothing_else(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFM_CACHE", str(project / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # offline
    wanted = project / "wanted.txt"
    wanted.write_text(f"torchcfm==1.0.7 --hash=sha256:{'0' * 64}\n")
    config = _config()
    failed = run(config, WHERE, _runs(config), _program(), wanted)
    assert failed[42].startswith(f"{wanted}: cannot be installed: No matching distribution found")
    assert not [path for path in (project / "cache/packages").iterdir() if path.name != ".lock"]
    with pytest.raises(UserError, match=r"absent.txt: cannot be read"):
        run(config, WHERE, _runs(config), _program(), Path("absent.txt"))


def test_packages_are_installed_once_for_their_program_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def pip(requirements: Path, target: Path) -> None:
        asked.append(requirements)
        target.mkdir()
        (target / "only_here.py").write_text("")

    monkeypatch.setenv("CFM_CACHE", str(project / "cache"))
    monkeypatch.setattr(packages, "_pip", pip)
    wanted = project / "wanted.txt"
    wanted.write_text("only_here==1\n")
    config, command = _config(), _program("target = ", "import only_here\ntarget = ")
    for _ in range(2):
        assert run(config, WHERE, _runs(config), command, wanted) == {}
    assert len(asked) == 1
    assert "No module named 'only_here'" in run(config, WHERE, _runs(config), command, None)[42]


def test_a_rule_that_writes_by_itself_is_checked_before_evaluation(project: Path) -> None:
    """What is refused is kept beside; a good file is left as it is; a missing one is said."""
    config = _config()
    assert run(config, WHERE, _runs(config), _program(), None) == {}
    good, bad = (samples_path(folder, "rk4") for folder in _runs(config).values())
    before = good.read_bytes()
    bad.write_bytes(before[: len(before) // 2])
    settle(config, WHERE, _runs(config))
    assert good.read_bytes() == before and Path(f"{bad}.refused").read_bytes() == before[: len(before) // 2]
    assert "damaged" in str(read_arrays(bad)["failure"])
    bad.unlink()
    with pytest.raises(UserError, match=r"rk4.npz: missing; `make reproduce` has it written by workflow/rules/methods"):
        settle(config, WHERE, _runs(config))


def test_ends_alone_have_distances_and_no_path_energy(project: Path) -> None:
    config = _config()
    path = "trajectory=np.stack([x0, x1]),\n            t=np.array([0.0, 1.0], dtype=np.float32)"
    ends = _program(path, "x1=x1")
    assert run(config, WHERE, _runs(config), ends, None) == {}
    assert "w2" in _measured()["rk4"]["metrics"] and "npe" not in _measured()["rk4"]["metrics"]


def test_failed_runs_are_forgotten_so_that_they_are_tried_again(project: Path) -> None:
    config = _config()
    run(config, WHERE, _runs(config), ["./nowhere"], None)
    _measured()
    states = [state for state in run_states(config) if state.method == "steady"]
    assert [state.state for state in states] == ["failed", "failed"]
    forget_failures(config, [(s.experiment, s.dataset, s.method, s.seed) for s in states])
    assert not any(samples_path(folder, "rk4").exists() for folder in _runs(config).values())


def test_verbs_that_are_for_others_say_so(project: Path) -> None:
    with pytest.raises(UserError, match=r"steady is external: workflow/rules/methods/steady.smk"):
        cells.train(**CELL)
    with pytest.raises(UserError, match=r"steady is external: workflow/rules/methods/steady.smk"):
        cells.sample(**CELL)
    with pytest.raises(UserError, match="--method: unknown external method 'icfm'; valid: otcfm_torchcfm, steady"):
        cells.external(None, ["true"], **CELL | {"method": "icfm"})


def test_an_entry_without_its_rule_ends_the_check(project: Path) -> None:
    Path("workflow/rules/methods/steady.smk").unlink()
    with pytest.raises(
        UserError, match=r"steady.yaml: methods.steady: family 'external' needs a rule, and .*steady.smk"
    ):
        require_rules(_config())


NAMES = ["x; rm -rf .", "../x", "", "A", "1x", "-x", "a b", "a\nb", "оtcfm", "a" * 65, "$(x)", "`x`", "otcfm", "base"]


def test_a_name_that_is_none_or_taken_writes_nothing(project: Path) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    config = configuration.load("smoke", ("toy2d",))
    for name in NAMES:
        for rule in (False, True):
            with pytest.raises(UserError, match="new-method: ") as error:
                new_method(config, name, "toy2d", rule)
            assert "\n" not in str(error.value)
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_the_skeleton_of_a_file_is_i_cfm_until_it_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    written = types.ModuleType("written")
    monkeypatch.setitem(sys.modules, "written", written)
    exec(compile(_FAMILY.format(name="my_idea", cls="MyIdea"), "my_idea.py", "exec"), written.__dict__)
    mine, ours = written.METHOD(0.1), FlowMatching("independent", "linear", 0.1)
    rng = torch.Generator().manual_seed(1)
    x0, x1, eps = torch.randn(3, 1, 16, 2, generator=rng)
    batch = Batch(x0, x1, torch.rand(1, 16, 1, generator=rng), eps)
    net = torch.nn.Module()
    net.forward = lambda t, x: x * t  # type: ignore[method-assign]
    torch.testing.assert_close(mine.loss(net, batch), ours.loss(net, batch))
    assert [*mine.couple(x0[0], x1[0], None)[1]] == [*range(16)]
