"""What every entry of methods.yaml promises, whoever wrote it."""

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cfm import config as configuration
from cfm.config.registry import families
from cfm.couplings.assignment import wasserstein2_squared
from cfm.datasets.base import Dataset, Prepared
from cfm.methods.base import Method, Start
from cfm.nets.stacked import parts
from cfm.rng import stream
from cfm.settings import Solver, Training
from cfm.solvers.ode import integrate
from cfm.training.batches import Pairing, training_pairs
from cfm.training.trainer import Trainer, stack

CONFIG = configuration.load("paper")
METHODS = {name: named.method for name, named in CONFIG.methods.items()}
EULER = Solver("euler", steps=20)


@dataclasses.dataclass(frozen=True)
class _Gaussian(Dataset):
    """N(0, I) to N((3, 0), I / 4): as plain as a data set can be."""

    dim = 2  # type: ignore[assignment]
    gaussian_source = True  # type: ignore[assignment]

    def draw_target(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return (np.array([3.0, 0.0]) + 0.5 * rng.standard_normal((n, 2))).astype(np.float32)


# VE starts from noise that no data set provides, Glow wants pictures; the float32 kernel is there because it fails;
# external methods are not trained here.
TRAINED = [
    n
    for n, m in METHODS.items()
    if m.trained
    and not m.unsupported(_Gaussian())
    and not n.startswith("sbcfm_float32")
    and not CONFIG.methods[n].external
]


def _data() -> Prepared:
    arrays = {f"{s}_1": _Gaussian().draw_target(1000, stream(0, s)) for s in ("train", "val", "test")}
    return Prepared(arrays, dim=2, gaussian_source=True)


SETTINGS = Training(width=32, depth=2, batch_size=64, steps=600, learning_rate=5e-3, weight_decay=0, validate_every=100)

# The game of two networks needs more steps, solving an ODE in each of them makes fewer do.
SETTINGS_OF = {
    "icnn": dataclasses.replace(SETTINGS, steps=3300, learning_rate=2e-3, betas=(0.5, 0.9)),
    **dict.fromkeys(("cnf", "regcnf", "regcnf_authors"), dataclasses.replace(SETTINGS, steps=150)),
}


def _initialised(method: Method) -> torch.nn.Module:
    net = method.network(1, 2, SETTINGS)
    for name, part in parts(net).items():
        part.initialise([1], f"init/{name}")
    return net


def _loss(method: Method, net: torch.nn.Module, seed: int = 1) -> torch.Tensor:
    pairing = Pairing.of(method, _data(), 64)
    if 0 in method.rounds(1):
        pairing = dataclasses.replace(pairing, own={seed: method.own_pairs(net, _data(), seed, 0, 1)})
    pairs = training_pairs(pairing, seed, 0)
    return method.loss(net, stack([pairs], torch.device("cpu")), method.player(0, 1))


def _trained(name: str, folder: Path) -> Trainer:
    method = METHODS[name]
    teachers = {}
    if method.teacher:
        teachers = {0: _trained(method.teacher, folder).layers(0, "last")}
    settings = SETTINGS_OF.get(name, SETTINGS)
    trainer = Trainer(method, _data(), settings, [0], torch.device("cpu"), folder / name, 0, teachers)
    trainer.run(lambda *_: None)
    return trainer


@pytest.mark.parametrize("name", TRAINED)
def test_loss_is_finite_differentiable_and_repeatable(name: str) -> None:
    net = _initialised(METHODS[name])
    loss = _loss(METHODS[name], net)
    assert loss.shape == (1,) and torch.isfinite(loss).all()
    loss.sum().backward()
    trained = parts(net).get(METHODS[name].player(0, 1))
    for theta in [trained.theta] if trained else net.parameters():
        assert theta.grad is not None and torch.isfinite(theta.grad).all() and theta.grad.abs().max() > 0
    assert torch.equal(_loss(METHODS[name], net), loss)
    assert not torch.equal(_loss(METHODS[name], net, seed=2), loss)


@pytest.mark.parametrize("name", TRAINED)
def test_learns(name: str, tmp_path: Path) -> None:
    """A few seconds of training halve W2 between source and target."""
    method, trainer = METHODS[name], _trained(name, tmp_path)
    x0 = stream(5, "x0").standard_normal((400, 2)).astype(np.float32)
    target = _Gaussian().draw_target(400, stream(5, "x1")).astype(np.float64)
    start = Start(x0, _Gaussian(), stream(5, "sample"))
    path = method.sample(trainer.net, start, EULER) or integrate(method.velocity(trainer.net), x0, EULER)
    moved = path.x[-1].astype(np.float64)
    assert wasserstein2_squared(moved, target) < 0.25 * wasserstein2_squared(x0.astype(np.float64), target)


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if not m.trained and not m.unsupported(_Gaussian())])
def test_controls_need_no_network(name: str) -> None:
    x0 = stream(5, "x0").standard_normal((500, 2)).astype(np.float32)
    path = METHODS[name].sample(None, Start(x0, _Gaussian(), stream(5, "sample"), _data()), EULER)
    assert path is not None
    if name != "split_half":
        np.testing.assert_array_equal(path.x[0], x0)
    assert path.x.shape == (2, 500, 2) and path.nfe == 0
    if name == "identity":
        np.testing.assert_array_equal(path.x[1], x0)
    else:
        assert path.x[1].mean(0) == pytest.approx([3, 0], abs=0.1)


@pytest.mark.parametrize("family", families("methods"))
def test_method_files_document_themselves(family: str) -> None:
    """A module text, a class text, and for what is trained a formula and its source."""
    module = sys.modules[f"cfm.methods.{family}"]
    cls = module.METHOD
    assert issubclass(cls, Method) and dataclasses.is_dataclass(cls)
    assert inspect.getdoc(module) and inspect.getdoc(cls) and not inspect.getdoc(cls).startswith(f"{cls.__name__}(")
    if cls.trained:
        assert re.search(r"= |E \||minimises", inspect.getdoc(module))
        assert re.search(r"paper|20\d\d", inspect.getdoc(module))


def test_checking_the_configuration_does_not_load_torch() -> None:
    code = "import sys; from cfm import config; config.load('paper'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_variance_exploding_paths_have_no_data_set_here() -> None:
    assert METHODS["ve"].unsupported(CONFIG.datasets["gaussian_moons"].dataset)
