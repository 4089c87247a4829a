"""What every entry of methods.yaml promises, whoever wrote it: the checks of `python -m cfm check-method`."""

import functools
import subprocess
import sys

import pytest

from cfm import config as configuration
from cfm.cli.check_method import CHECKS, outcome_of
from cfm.cli.checks.problem import Gaussian, source
from cfm.cli.checks.trial import Trial
from cfm.config.registry import families
from cfm.errors import UserError

CONFIG = configuration.load("paper")
METHODS = {name: named.method for name, named in CONFIG.methods.items()}
CONTROLS = [name for name, method in METHODS.items() if not method.trained and not method.skip_reason(Gaussian())]
# VE starts from noise that no data set provides, Glow wants pictures; the float32 kernel is there because it fails;
# external methods are not trained here.
TRAINED = [
    n
    for n, m in METHODS.items()
    if m.trained
    and not m.skip_reason(Gaussian())
    and not n.startswith("sbcfm_float32")
    and not CONFIG.methods[n].external
]
# What is only in Table 1, which is made without data.
WITHOUT_DATA = {"ve", "vp", "rectified_flow"}
# Their networks end in one number, and torch.bmm rounds a product with one column otherwise in a stack than alone.
ONE_COLUMN = {"icnn", "action_matching"}


@functools.cache
def trial_of(name: str) -> Trial:
    """The trial of an entry, whose training serves several checks."""
    return Trial.of(CONFIG, name)


@pytest.mark.parametrize("name", METHODS)
def test_entry(name: str) -> None:
    CHECKS["documentation"](trial_of(name))
    if name not in WITHOUT_DATA:
        CHECKS["data sets"](trial_of(name))


@pytest.mark.parametrize("check", ["loss", "random numbers", "samples", "stack of seeds", "resuming", "learning"])
@pytest.mark.parametrize("name", TRAINED)
def test_trained(name: str, check: str, request: pytest.FixtureRequest) -> None:
    if check == "stack of seeds" and name in ONE_COLUMN:
        request.applymarker(pytest.mark.xfail(strict=True, raises=UserError))
    CHECKS[check](trial_of(name))


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_need_no_network(name: str) -> None:
    CHECKS["samples"](trial_of(name))
    x0, path = source(400), trial_of(name).sample(400, trained=False)
    assert len(path.t) == 2 and path.nfe == 0
    if name == "identity":
        assert (path.x[1] == x0).all()
    else:
        assert path.x[1].mean(0) == pytest.approx([3, 0], abs=0.1)


def test_what_does_not_apply_says_why() -> None:
    said = {name: [outcome_of(check, trial_of(name)) for check in CHECKS.values()] for name in ("ve", "otcfm_torchcfm")}
    assert said["ve"][1] == "not applicable: its experiments have no data sets"
    assert said["otcfm_torchcfm"][:2] == ["ok", "ok"] and outcome_of(CHECKS["loss"], trial_of("oracle")).endswith(
        "nothing is trained"
    )
    for outcomes, reason in ((said["ve"], "noise that is 50 times wider"), (said["otcfm_torchcfm"], "docs/adding.md")):
        assert all(outcome.startswith("not applicable: ") and reason in outcome for outcome in outcomes[2:])


def test_every_family_has_an_entry() -> None:
    assert {named.entry.family for named in CONFIG.methods.values()} == {*families("methods")}


def test_checking_the_configuration_does_not_load_torch() -> None:
    code = "import sys; from cfm import config; config.load('paper'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_variance_exploding_paths_have_no_data_set_here() -> None:
    assert METHODS["ve"].skip_reason(CONFIG.datasets["gaussian_moons"].dataset)
