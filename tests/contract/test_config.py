"""The configuration: every budget loads, everything wrong is one line with file, key and the nearest name."""

import json
import shutil
import subprocess
import sys
import time
import typing
from pathlib import Path

import pytest

from cfm import config as configuration
from cfm.cli import commands
from cfm.config.schema import schema
from cfm.couplings.minibatch import COUPLINGS
from cfm.errors import UserError
from cfm.fingerprint import canonical
from cfm.methods.flow_matching import FlowMatching
from cfm.paths import PATHS
from cfm.results.published import load_published


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of config/ that a test may spoil."""
    shutil.copytree("config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config"


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("budget", configuration.BUDGETS)
def test_every_budget_loads(budget: str) -> None:
    config = configuration.load(budget)
    assert config.experiments["toy2d"].seeds[0] == 42
    assert ("moons_8gaussians", "fm") not in config.pairs("toy2d")


def test_the_paper_budget_is_the_papers() -> None:
    """Section B of the paper's settings; a change here is a change of what is reproduced."""
    toy = configuration.load("paper").experiments["toy2d"]
    assert toy.seeds == (42, 43, 44, 45, 46)
    assert toy.train is not None and toy.sizes is not None
    assert (toy.train.width, toy.train.depth, toy.train.batch_size, toy.train.steps) == (64, 3, 512, 20000)
    assert (toy.train.learning_rate, toy.train.weight_decay) == (1e-3, 1e-5)
    assert (toy.sizes.train, toy.sizes.val, toy.sizes.test, toy.sizes.test_large) == (10000, 1000, 1000, 10000)


WRONG = [
    ("experiments/toy2d.yaml", "batch_size: 512", "batchsize: 512", r"toy2d.yaml: train: unknown key 'batchsize'; did you mean 'batch_size'\?"),
    ("experiments/toy2d.yaml", "steps: 20000", "steps: 2e4", r"toy2d.yaml: train.steps: a whole number is expected, got '2e4'.*20000.0"),
    ("experiments/toy2d.yaml", "gaussian_moons", "gausian_moons", r"toy2d.yaml: datasets: unknown data set 'gausian_moons'; did you mean 'gaussian_moons'"),
    ("experiments/toy2d.yaml", "metrics: [w2,", "metrics: [w3,", r"toy2d.yaml: metrics: unknown metric 'w3'; did you mean 'w2'"),
    ("experiments/toy2d.yaml", "{w2: W2,", "{w3: W2,", r"toy2d.yaml: tables.table2.metrics: unknown metric 'w3'"),
    ("experiments/toy2d.yaml", "    solver: rk4", "    solver: rk5", r"toy2d.yaml: tables.table2.solver: unknown solver 'rk5'; did you mean 'rk4'"),
    ("experiments/toy2d.yaml", "scheme: euler, steps: 5", "scheme: euler, tolerance: 0.1", r"toy2d.yaml: solvers.euler5: scheme 'euler' takes 'steps'"),
    ("experiments/toy2d.yaml", "scheme: dopri5", "scheme: dopri6", r"solvers.dopri5.scheme: unknown scheme 'dopri6'; did you mean 'dopri5'"),
    ("experiments/toy2d.yaml", "seeds: [42,", "seeds: ['42',", r"toy2d.yaml: seeds.0: a whole number is expected, got '42'"),
    ("methods.yaml", "coupling: exact\n", "coupling: exakt\n", r"methods.yaml: otcfm.coupling: unknown coupling 'exakt'; did you mean 'exact'"),
    ("methods.yaml", "family: flow_matching", "family: flow_maching", r"methods.yaml: icfm.family: unknown family 'flow_maching'; did you mean 'flow_matching'"),
    ("methods.yaml", "sigma: 0.1", "sigm: 0.1", r"methods.yaml: icfm: unknown key 'sigm'; did you mean 'sigma'"),
    ("methods.yaml", "experiments: [taxonomy, toy2d, objective]", "experiments: [taxonomy, toy3d, objective]", r"methods.yaml: vpcfm.experiments: unknown experiment 'toy3d'; did you mean 'toy2d'"),
    ("methods.yaml", "sigma: 0.1", "sigma: small", r"methods.yaml: icfm.sigma: a number is expected, got 'small'"),
    ("methods.yaml", "\nfm:\n", "\nicfm:\n", r"methods.yaml: key given twice: icfm"),
    ("datasets.yaml", "target: moons", "target: moon", r"datasets.yaml: gaussian_moons.target: unknown target 'moon'; did you mean 'moons'"),
    ("config.yaml", "couplings,", "coupling,", r"config.yaml: experiments: unknown experiment 'coupling'; did you mean 'couplings'"),
    ("budgets/quick.yaml", "rf2: {steps:", "rf2: {step:", r"quick.yaml: experiments.toy2d.train_of.rf2: unknown key 'step'; did you mean 'steps'"),
    ("budgets/quick.yaml", "toy2d:", "toyd:", r"quick.yaml: experiments: unknown experiment 'toyd'; did you mean 'toy2d'"),
    ("budgets/smoke.yaml", "methods: [icfm,", "methods: [icmf,", r"experiments/objective.yaml: methods: unknown method 'icmf'; did you mean 'icfm'"),
    ("experiments/objective.yaml", "metrics: [objective_variance]", "metrics: [npe]", r"objective.yaml: metrics: unknown metric 'npe'"),
    ("experiments/toy2d.yaml", "metrics: [w2,", "metrics: [objective_variance,", r"toy2d.yaml: metrics: unknown metric 'objective_variance'"),
    ("experiments/objective.yaml", "objective: {", "train_: {", r"objective.yaml: unknown key 'train_'; did you mean 'train'"),
    ("experiments/objective.yaml", "solver: pairs", "solver: rk4", r"objective.yaml: tables.objective.solver: unknown solver 'rk4'; did you mean|valid: pairs"),
    ("experiments/toy2d.yaml", "methods: [icfm, otcfm, sbcfm]", "methods: [icfm, otcmf]", r"toy2d.yaml: figures.fields.methods: unknown method 'otcmf'; did you mean 'otcfm'"),
    ("experiments/ot_batch.yaml", "metrics: [npe, w2]", "metrics: [npe, w4]", r"ot_batch.yaml: figures.ot_batch.metrics: unknown metric 'w4'"),
    ("methods.yaml", "family: identity\n  experiments: [toy2d,", "family: identity\n  experiments: [objective, toy2d,", r"methods.yaml: identity: has no conditional path, which 'objective' measures"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "message"), WRONG, ids=[w[2].strip() for w in WRONG])
def test_what_is_wrong_is_said_in_one_line(folder: Path, file: str, old: str, new: str, message: str) -> None:
    _replace(folder / file, old, new)
    with pytest.raises(UserError, match=message) as error:
        configuration.load("smoke" if "smoke" in file else "quick")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("metric: npe", "metrik: npe", "unknown key 'metrik'; did you mean 'metric'"),
        ("below: [otcfm]", "below: [otcmf]", "unknown method 'otcmf'; did you mean 'otcfm'"),
    ],
)
def test_a_wrong_claim_ends_the_check(folder: Path, old: str, new: str, message: str) -> None:
    """Claims are judged last, so what is wrong with one must not wait until all runs are done."""
    commands.check("quick")
    _replace(folder / "claims.yaml", old, new)
    with pytest.raises(UserError, match=f"claims.yaml: otcfm_straighter_than_icfm: {message}") as error:
        commands.check("quick")
    assert "\n" not in str(error.value)


def test_a_misspelt_command_line_has_hints_too() -> None:
    with pytest.raises(UserError, match="BUDGET: unknown budget 'quik'; did you mean 'quick'"):
        configuration.load("quik")
    with pytest.raises(UserError, match="EXPERIMENTS: unknown experiment 'toy'; did you mean 'toy2d'"):
        configuration.load("quick", ("toy",))


def test_an_impossible_pair_is_refused_by_name() -> None:
    config = configuration.load("quick")
    with pytest.raises(UserError, match=r"fm: cannot run on 'moons_8gaussians': needs a standard normal source"):
        config.require("toy2d", "moons_8gaussians", "fm")
    with pytest.raises(UserError, match=r"realnvp takes no part in toy2d at budget 'quick': see `experiments` in"):
        config.require("toy2d", "moons_8gaussians", "realnvp")


def test_a_failing_check_takes_no_torch_and_little_time(folder: Path) -> None:
    """As a command: exit code 2, one line on stderr, in a fraction of a second."""
    _replace(folder / "methods.yaml", "sigma: 0.1", "sigm: 0.1")
    root = Path(__file__).parent.parent.parent
    command = [sys.executable, "-X", "importtime", "-m", "cfm", "check"]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder.parent, env={"PYTHONPATH": str(root)})
    assert time.perf_counter() - began < 5  # 0.3 s on an idle core
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert lines == ["error: config/methods.yaml: icfm: unknown key 'sigm'; did you mean 'sigma'?"]
    assert "torch" not in done.stderr


FORMER = {
    "experiments/cifar10.yaml": [("ema_decay:", "average:"), ("max_grad_norm:", "clip:"), ("random_flip:", "flip:")],
    "budgets/quick.yaml": [("methods:", "only:"), ("on_request:", "by_name:"), ("ema_decay:", "average:")],
    "methods.yaml": [("teacher:", "straightens:")],
    "config.yaml": [("coupling_workers:", "threads:")],
}


def test_former_names_of_keys_mean_the_same(folder: Path) -> None:
    """Settings, and what they are told apart by, are those of today's names, also where only an overlay is old."""
    budgets = ("quick", "paper")
    before = {budget: configuration.load(budget) for budget in budgets}
    for file, keys in FORMER.items():
        text = (folder / file).read_text()
        for today, former in keys:
            assert today in text, (file, today)
            text = text.replace(today, former)
        (folder / file).write_text(text)
        assert {budget: configuration.load(budget) for budget in budgets} == before
    spec = before["paper"].spec("train", "toy2d", "gaussian_moons", "rf2")
    assert '"straightens":"icfm"' in spec and "teacher" not in json.loads(spec)["method"]
    pictures = json.loads(before["paper"].whole().spec("train", "cifar10", "cifar10", "otcfm_pictures"))["train"]
    assert {"average", "clip", "flip"} <= pictures.keys() and not {"ema_decay", "max_grad_norm"} & pictures.keys()


def test_a_key_under_both_its_names_is_an_error(folder: Path) -> None:
    _replace(folder / "config.yaml", "coupling_workers: 1", "coupling_workers: 1\nthreads: 2")
    with pytest.raises(UserError, match=r"config.yaml: 'threads' and 'coupling_workers' are one key: give it once"):
        configuration.load("quick")


def test_a_family_that_overrides_a_former_name_is_told_todays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what it says there would do nothing, without a word."""
    from cfm.methods.flow_matching import FlowMatching

    monkeypatch.setattr(FlowMatching, "unsupported", lambda self, dataset: "never", raising=False)
    with pytest.raises(UserError, match=r"flow_matching.py: `unsupported` .* its name is `skip_reason` now"):
        configuration.load("quick")


def test_settings_are_canonical() -> None:
    """Equal settings give equal text, whatever their order or number format in the file."""
    config = configuration.load("quick")
    spec = json.loads(config.spec("evaluate", "toy2d", "gaussian_moons", "otcfm"))
    assert canonical(spec) == config.spec("evaluate", "toy2d", "gaussian_moons", "otcfm")
    assert spec["method"] == {
        "family": "flow_matching",
        "coupling": "exact",
        "path": "linear",
        "sigma": 0.1,
        "ot_batch": None,
    }
    assert "label" not in json.dumps(spec)


def test_seeds_come_in_chunks_of_fixed_size(folder: Path) -> None:
    _replace(folder / "experiments/toy2d.yaml", "seeds: [42, 43, 44, 45, 46]", "seeds: [1, 2, 3, 4, 5, 6, 7]")
    assert configuration.load("paper").chunks("toy2d", "gaussian_moons", "otcfm") == [(1, 2, 3, 4, 5), (6, 7)]


def test_the_schema_in_config_is_the_one_the_code_gives() -> None:
    """Write it anew with `python -m cfm schema > config/schema.json`."""
    assert json.loads(Path("config/schema.json").read_text()) == schema()


def test_names_in_types_are_the_names_that_exist() -> None:
    hints = typing.get_type_hints(FlowMatching)
    assert set(typing.get_args(hints["coupling"])) == set(COUPLINGS)
    assert set(typing.get_args(hints["path"])) == set(PATHS)


def test_published_numbers_load_and_name_real_rows() -> None:
    published = load_published()
    config = configuration.load("paper")
    rows = {key[1] for key in published}
    for method in config.methods.values():
        assert method.entry.paper is None or method.entry.paper in rows
    for dataset in config.datasets.values():
        assert any(key[2] == dataset.entry.paper for key in published)
    cell = published["Table 2", "I-CFM", "N->8gaussians", "NPE"]
    assert (cell.mean, cell.std, cell.confidence) == (0.222, 0.032, "confirmed")


@pytest.mark.parametrize("text", ["!!python/object/apply:os.system ['true']", "a: [1", "- 1\n- 2\n"])
def test_yaml_that_is_unsafe_or_broken_is_refused(folder: Path, text: str) -> None:
    (folder / "methods.yaml").write_text(text)
    with pytest.raises(UserError, match=r"methods.yaml"):
        configuration.load("quick")


def test_the_large_test_set_may_be_for_some_methods_only(folder: Path) -> None:
    """Others' solvers carry the test set alone; their settings, and so their samples, differ in that only."""
    _replace(folder / "experiments/toy2d.yaml", "metrics: [w2,", "large_test: [icfm, identity]\nmetrics: [w2,")
    config = configuration.load("paper")
    assert config.solvers("toy2d", "icfm")["rk4"].points == "all"
    assert config.solvers("toy2d", "otcfm")["rk4"].points == "test"
    spec = {m: json.loads(config.spec("sample", "toy2d", "gaussian_moons", m)) for m in ("icfm", "otcfm")}
    assert [spec[m]["solvers"]["rk4"]["points"] for m in ("icfm", "otcfm")] == ["all", "test"]
    assert spec["icfm"]["train"] == spec["otcfm"]["train"]


def test_an_experiment_may_be_restricted_to_some_methods(folder: Path) -> None:
    _replace(folder / "experiments/toy2d.yaml", "seeds: [42,", "methods: [icfm, rf2, identity]\nseeds: [42,")
    config = configuration.load("paper")
    assert config.methods_of("toy2d") == ["icfm", "rf2", "identity"]
    assert {m for _, m in config.pairs("toy2d")} == {"icfm", "rf2", "identity"}
    _replace(folder / "experiments/toy2d.yaml", "methods: [icfm, rf2,", "methods: [rf2,")
    with pytest.raises(UserError, match=r"rf2\.teacher: unknown method 'icfm'"):
        configuration.load("paper")


def test_a_budget_may_go_without_an_experiment(folder: Path) -> None:
    """No data sets, so nothing to show; the other experiments keep what they show."""
    with open(folder / "budgets/smoke.yaml", "a") as file:
        file.write("  objective_again: {datasets: []}\n")
    (folder / "experiments/objective_again.yaml").write_text((folder / "experiments/objective.yaml").read_text())
    config = configuration.load("smoke", ("objective_again", "taxonomy"))
    assert not config.runs("objective_again") and not config.experiments["objective_again"].tables
    assert config.experiments["taxonomy"].tables
    assert configuration.load("paper", ("objective_again",)).experiments["objective_again"].tables
