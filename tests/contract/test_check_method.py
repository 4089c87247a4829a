"""A method that breaks the contract fails at the check that is about it, in one line that says what to do."""

import dataclasses
import re
import shutil
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from cfm.__main__ import main
from cfm.cli.check_method import CHECKS, outcome_of
from cfm.cli.checks.trial import Trial
from cfm.cli.new_method import _FAMILY
from cfm.methods.flow_matching import FlowMatching
from cfm.solvers.trajectory import straight_line

_EQUATION = (
    "    L(theta) = E |v_theta(t, xt) - (x1 - x0)|^2,  xt = (1 - t) x0 + t x1 + sigma eps\n\nis what it minimises"
)
WITH_DATA = {"experiments": ["toy2d"], "skip_reasons": {"gaussian_moons": None}}


@dataclass(frozen=True)
class _ICFM(FlowMatching):
    """I-CFM, to be broken."""

    coupling: str = "independent"  # type: ignore[assignment]
    path: str = "linear"  # type: ignore[assignment]
    sigma: float = 0.1


class _MeanOverSeeds(_ICFM):
    def loss(self, net, batch, trained_part=""):  # type: ignore[no-untyped-def]
        return super().loss(net, batch).mean()


class _NotFinite(_ICFM):
    def loss(self, net, batch, trained_part=""):  # type: ignore[no-untyped-def]
        return super().loss(net, batch) / 0


class _WithoutNetwork(_ICFM):
    def loss(self, net, batch, trained_part=""):  # type: ignore[no-untyped-def]
        return batch.x1.mean(dim=(1, 2))


class _OnePartUntrained(_ICFM):
    def network(self, stack, dim, settings):  # type: ignore[no-untyped-def]
        return torch.nn.ModuleDict({name: super(_ICFM, self).network(stack, dim, settings) for name in ("one", "two")})

    def loss(self, net, batch, trained_part=""):  # type: ignore[no-untyped-def]
        return super().loss(net["one"], batch)


class _GradientNotFinite(_ICFM):
    def loss(self, net, batch, trained_part=""):  # type: ignore[no-untyped-def]
        v = batch.velocity(net, batch.x0)
        return super().loss(net, batch) + ((v - v.detach()).square().sum(dim=2)).sqrt().mean(dim=1)


class _GlobalNoise(_ICFM):
    def loss(self, net, batch, trained_part=""):  # type: ignore[no-untyped-def]
        return super().loss(net, dataclasses.replace(batch, eps=torch.randn_like(batch.eps)))


class _OneForAll(_ICFM):
    def loss(self, net, batch, trained_part=""):  # type: ignore[no-untyped-def]
        return super().loss(net, batch).mean().expand(len(batch.x0))


class _LooksAtOthers(_ICFM):
    def loss(self, net, batch, trained_part=""):  # type: ignore[no-untyped-def]
        return super().loss(net, dataclasses.replace(batch, x1=batch.x1 - batch.x1.mean(dim=(0, 1))))


@dataclass(frozen=True)
class _Remembers(_ICFM):
    """Counts its losses, and weighs late ones more."""

    losses: list[float] = field(default_factory=list)

    def loss(self, net, batch, trained_part=""):  # type: ignore[no-untyped-def]
        self.losses.append(1.0)
        return super().loss(net, batch) * (2.0 if len(self.losses) > 15 else 1.0)


class _WrongSign(_ICFM):
    def velocity(self, net):  # type: ignore[no-untyped-def]
        return lambda t, x: -net(t, x)


def _sampler(change: Callable[..., tuple[np.ndarray, np.ndarray]]) -> type[_ICFM]:
    """I-CFM whose samples are the target's mean, but for one mistake."""

    class Sampler(_ICFM):
        def sample(self, net, start, solver):  # type: ignore[no-untyped-def]
            x0, x1 = change(start.x0, start.x0 + np.array([3, 0], dtype=np.float32))
            return straight_line(x0, x1)

    return Sampler


class _LateTimes(_ICFM):
    def sample(self, net, start, solver):  # type: ignore[no-untyped-def]
        path = straight_line(start.x0, start.x0 + np.array([3, 0], dtype=np.float32))
        return dataclasses.replace(path, t=path.t * 2)


@pytest.mark.parametrize(
    ("broken", "label", "text"),
    [
        (_MeanOverSeeds, "loss", r"has shape \(\) for 3 seeds, not \(3,\): average over points"),
        (_NotFinite, "loss", r"`loss` is \[inf, inf, inf\] at the first step"),
        (_WithoutNetwork, "loss", "does not depend on the network"),
        (_OnePartUntrained, "loss", "the network 'two' gets no gradient"),
        (_GradientNotFinite, "loss", "the gradient of the network is not finite"),
        (_GlobalNoise, "random numbers", "the same seed gives another loss the second time"),
        (_OneForAll, "random numbers", "different seeds have the same loss"),
        (_LooksAtOthers, "stack of seeds", "seed 2 has other numbers alone than beside 2 more"),
        (_Remembers, "resuming", "a training that was interrupted ends with other numbers"),
        (_WrongSign, "learning", "do not halve W2 to the target"),
        (_LateTimes, "samples", "times from 0.0 to 2.0"),
        (_sampler(lambda x0, x1: (x0[:-1], x1[:-1])), "samples", r"shape \(2, 399, 2\), not"),
        (_sampler(lambda x0, x1: (x0, x1 * np.nan)), "samples", "points that are not finite"),
        (_sampler(lambda x0, x1: (x0[::-1], x1)), "samples", "begin elsewhere"),
        (_sampler(lambda x0, x1: (x0, x1 + np.random.rand())), "samples", "other points the second time"),  # noqa: NPY002
    ],
)
def test_fails_where_it_is_broken(broken: type[_ICFM], label: str, text: str) -> None:
    """And nowhere before."""
    trial = Trial(broken(), **WITH_DATA)  # type: ignore[arg-type]
    outcomes = ((name, outcome_of(check, trial)) for name, check in CHECKS.items() if name != "documentation")
    name, outcome = next((name, outcome) for name, outcome in outcomes if outcome != "ok")
    assert name == label and re.match(f"failed: .*{text}", outcome) and len(outcome) < 300


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("METHOD =", "__doc__ = None\nMETHOD =", "the file of Sketch has no docstring: say what the method is"),
        (_EQUATION, "", "the docstring of the file has no equation"),
        ("I-CFM of the paper", "I-CFM", "has no reference"),
        ('    """Its fields', '    _ = """Its fields', "Sketch has no docstring: say what its hyper-parameters are"),
        ("", "", None),
    ],
)
def test_a_file_says_what_it_is(old: str, new: str, text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("sketch")
    monkeypatch.setitem(sys.modules, "sketch", module)
    code = _FAMILY.format(name="sketch", cls="Sketch")
    assert old in code
    exec(compile(code.replace(old, new, 1), "sketch.py", "exec"), module.__dict__)
    outcome = outcome_of(CHECKS["documentation"], Trial(module.METHOD(sigma=0.1)))
    assert outcome == "ok" if text is None else text in outcome, outcome


def test_runs_on_a_data_set_of_its_experiments() -> None:
    def said(experiments: list[str], skip_reasons: dict[str, str | None]) -> str:
        return outcome_of(CHECKS["data sets"], Trial(_ICFM(), experiments=experiments, skip_reasons=skip_reasons))

    assert "add `experiments: [toy2d]` to its entry" in said([], {})
    assert "(moons: needs pictures)" in said(["toy2d"], {"moons": "needs pictures"})
    assert said(["toy2d"], {"moons": "needs pictures", "digits": None}) == "ok"


def _said(capsys: pytest.CaptureFixture[str], name: str) -> tuple[int, dict[str, str]]:
    """The code of the verb, and what it says of each check."""
    capsys.readouterr()
    code = main(["check-method", name])
    lines = capsys.readouterr().out.splitlines()
    return code, {line[:15].strip(): line[16:] for line in lines}


def test_the_verb(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A line for each check; 1 where one fails, also if it is the method's own code, or its entry, that breaks."""
    code, said = _said(capsys, "oracle")
    assert code == 0 and list(said) == ["entry", *CHECKS] and said["samples"] == "ok"
    assert said["learning"] == "not applicable: nothing is trained"
    assert main(["check-method", "orakel"]) == 2
    assert "did you mean 'oracle'?" in capsys.readouterr().err

    monkeypatch.setattr("cfm.datasets.base.Dataset.draw_bridge", lambda *arguments: 1 / 0)
    code, said = _said(capsys, "oracle")
    assert code == 1
    assert re.fullmatch(r"failed: ZeroDivisionError: division by zero \(oracle.py, line \d+\)", said["samples"])

    shutil.copytree("config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    entries = Path("config/methods.yaml")
    entries.write_text(entries.read_text().replace("  sigma:", "  sigmas:", 1))
    code, said = _said(capsys, "icfm")
    assert code == 1 and list(said) == ["entry"]
    assert said["entry"].startswith("failed: config/methods.yaml: icfm: unknown key 'sigmas'; did you mean 'sigma'?")

    monkeypatch.delattr("cfm.methods.identity.METHOD")
    entries.write_text(entries.read_text().replace("sigmas:", "sigma:", 1))
    code, said = _said(capsys, "identity")
    assert code == 1
    assert said["entry"] == "failed: cfm/methods/identity.py: has no 'METHOD'; end the file with METHOD = YourClass"
