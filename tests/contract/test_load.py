"""`cfm.load`: a run's folder is all it needs, what it gives is what the stages wrote, and all else is one line."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import cfm
from cfm.artifacts.layout import samples_path
from cfm.cli import cells
from cfm.cli.cell import Cell
from cfm.errors import UserError
from cfm.files import read_tensors, write_tensors
from cfm.stages.sample import sample as sample_stage
from tests.own_project import copy_of_config

MOONS, NORMAL = "moons_8gaussians", "gaussian_8gaussians"
METHODS = [(MOONS, "otcfm"), (MOONS, "sf2m"), (MOONS, "icnn"), (NORMAL, "icfm"), (NORMAL, "action_matching")]
CONTROLS = [(NORMAL, "identity"), (MOONS, "oracle")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trainings of a few steps, sampled and measured, two seeds of each."""
    folder = copy_of_config(tmp_path_factory.mktemp("load"), [MOONS, NORMAL], [m for _, m in METHODS + CONTROLS])
    with contextlib.chdir(folder):
        for dataset in (MOONS, NORMAL):
            cells.data("smoke", "toy2d", dataset)
        for dataset, method in METHODS + CONTROLS:
            where = {"budget": "smoke", "experiment": "toy2d", "dataset": dataset, "method": method}
            if (dataset, method) in METHODS:
                cells.train(**where)
            cells.sample(**where)
            cells.evaluate(**where)
    return folder


def _run(project: Path, dataset: str = MOONS, method: str = "otcfm", seed: int = 42) -> Path:
    return project / "results/smoke/toy2d" / dataset / method / f"seed={seed}"


def _stored(run: Path, solver: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    with np.load(samples_path(run, solver)) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return arrays["trajectory"][-1], arrays


@pytest.mark.parametrize(("dataset", "method"), METHODS + CONTROLS)
@pytest.mark.parametrize("solver", ["rk4", "euler10", "dopri5"])
def test_the_stored_samples_come_again(project: Path, tmp_path: Path, dataset: str, method: str, solver: str) -> None:
    """From another folder; those of stochastic methods too, since the noise is the run's own."""
    run = _run(project, dataset, method, 43)
    with contextlib.chdir(tmp_path):
        expected, arrays = _stored(run, solver)
        np.testing.assert_allclose(cfm.load(run).sample(len(arrays["x0"]), solver=solver), expected, atol=1e-4)


@pytest.mark.parametrize("checkpoint", ["best", "last"])
def test_each_checkpoint_gives_its_own_samples(project: Path, tmp_path: Path, checkpoint: str) -> None:
    """As the stage itself makes them with that checkpoint."""
    run = _edited(_run(project, NORMAL, "icfm"), tmp_path, _apart)
    with contextlib.chdir(project):
        cell = Cell.open("sample", "smoke", "toy2d", NORMAL, "icfm", [42])
        settings, dataset = cell.config.training("toy2d", "icfm"), cell.config.datasets[NORMAL].dataset
        assert settings is not None
        settings, solvers = replace(settings, checkpoint=checkpoint), cell.config.solvers("toy2d", "icfm")  # type: ignore[arg-type]
        sample_stage(cell.family, dataset, settings, solvers, cell.data, {42: run}, "cpu", lambda *_: None)
    expected, arrays = _stored(run, "rk4")
    best, last = (cfm.load(run, name).sample(len(arrays["x0"]), solver="rk4") for name in ("best", "last"))
    np.testing.assert_allclose({"best": best, "last": last}[checkpoint], expected, atol=1e-4)
    assert np.abs(best - last).max() > 0.1


def _apart(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """The last network is another one than the best."""
    tensors["last.layers.3.bias"] += 1


def _edited(run: Path, folder: Path, change) -> Path:  # type: ignore[no-untyped-def]
    """A copy of a run whose networks or metadata are changed."""
    copy = folder / "alone" / run.name
    shutil.copytree(run, copy)
    tensors, metadata = read_tensors(copy / "model.safetensors")
    change(tensors, metadata)
    write_tensors(copy / "model.safetensors", tensors, metadata)
    return copy


def _constant(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """The field is (1, -2) everywhere and at all times."""
    for name, layer in tensors.items():
        layer.zero_()
        if name.endswith("layers.3.bias"):
            layer.copy_(torch.tensor([1.0, -2.0]))


def test_a_folder_by_itself_gives_velocities_samples_and_densities_of_a_known_field(
    project: Path, tmp_path: Path
) -> None:
    """N(0, I) shifted by (1, -2): every one of them in closed form."""
    model = cfm.load(_edited(_run(project, NORMAL, "icfm"), tmp_path, _constant))
    x = np.random.default_rng(0).standard_normal((7, 2))
    for t in (0, 0.5, 1.0, np.linspace(0, 1, 7)):
        np.testing.assert_array_equal(model.velocity(t, x), np.tile([1.0, -2.0], (7, 1)))
    near = {"rtol": 0, "atol": 1e-5}
    shift = np.array([1.0, -2.0])
    np.testing.assert_allclose(model.sample(5, solver="rk4"), model.data.source(5, 42) + shift, **near)
    np.testing.assert_allclose(
        model.carry(x, 0.25, 1, times=4), x + np.array([0, 0.25, 0.5, 0.75])[:, None, None] * shift, **near
    )
    np.testing.assert_allclose(model.carry(x, 1, 0)[-1], x - shift, **near)
    log_normal = -0.5 * ((x - shift) ** 2).sum(1) - np.log(2 * np.pi)
    np.testing.assert_allclose(model.log_density(x), log_normal, rtol=1e-5)


def test_there_and_back_again(project: Path) -> None:
    model = cfm.load(_run(project))
    x = np.random.default_rng(1).standard_normal((20, 2)).astype(np.float32)
    for how in ({"solver": "rk4"}, {"solver": "dopri5", "tolerance": 1e-7}, {"solver": "rk4", "steps": 50}):
        there = model.carry(x, 0, 1, times=5, **how)
        assert there.shape == (5, 20, 2) and np.abs(there[-1] - x).max() > 0.01
        np.testing.assert_allclose(model.carry(there[-1], 1, 0, times=5, **how), there[::-1], atol=2e-5)
        np.testing.assert_array_equal(model.carry(x, 0.3, 0.3, **how)[-1], x)


def test_log_densities_are_those_of_the_flow(project: Path) -> None:
    """By a numerical derivative: the density of the source over the determinant of the flow."""
    model, h, how = cfm.load(_run(project, NORMAL, "icfm")), 5e-3, {"solver": "rk4", "steps": 200}
    x0 = np.array([[0.3, -0.4], [1.2, 0.1]])
    ends = [[model.carry(x0 + h * sign * e, 0, 1, **how)[-1] for sign in (1, -1)] for e in np.eye(2)]
    jacobian = np.stack([(after - before) / (2 * h) for after, before in ends], axis=2)
    expected = -0.5 * (x0**2).sum(1) - np.log(2 * np.pi) - np.log(np.abs(np.linalg.det(jacobian)))
    x1 = model.carry(x0, 0, 1, **how)[-1]
    np.testing.assert_allclose(model.log_density(x1, **how), expected, atol=3e-3)
    np.testing.assert_allclose(model.log_density(x1, tolerance=1e-6), expected, atol=3e-3)


def test_arrays_come_back_as_they_were_given(project: Path) -> None:
    model = cfm.load(_run(project))
    for x, kind in (
        (np.zeros((3, 2), np.float64), np.float64),
        (np.zeros((3, 2), np.float32), np.float32),
        (np.zeros((3, 2), int), np.float32),
        (torch.zeros(3, 2, requires_grad=True), np.float32),
        ([[0, 0], [0, 0], [0, 0]], np.float32),
    ):
        found = model.velocity(0.5, x)
        assert isinstance(found, np.ndarray) and found.dtype == kind and found.shape == (3, 2)
        assert model.carry(x, 0, 1).dtype == kind


def test_samples_of_another_seed_and_more_samples_than_are_stored(project: Path) -> None:
    normal, moons = cfm.load(_run(project, NORMAL, "icfm")), cfm.load(_run(project))
    np.testing.assert_allclose(normal.sample(30, solver="rk4"), normal.sample(2000, solver="rk4")[:30], atol=1e-5)
    assert len(np.unique(normal.sample(2000, solver="euler2"), axis=0)) == 2000
    assert np.abs(normal.sample(30, solver="rk4", seed=7) - normal.sample(30, solver="rk4")).max() > 0.1
    with pytest.raises(
        UserError, match=r"n: 100000 source points are asked for, .*data\.npz has \d+: `carry` your own"
    ):
        moons.sample(100_000)


def test_it_says_what_it_is(project: Path) -> None:
    said = repr(cfm.load(_run(project), "last"))
    assert said.startswith(f"<toy2d/{MOONS}/otcfm seed 42: checkpoint 'last', 2 dimensions, t from 0 to 1; solvers: ")
    assert "no network" in repr(cfm.load(_run(project, NORMAL, "identity")))
    assert "checkpoint" in (cfm.load.__doc__ or "")


X = np.zeros((4, 2))
WRONG = {
    "three columns": (lambda m: m.velocity(0.5, np.zeros((4, 3))), r"x: points in 2 dimensions, .* got \(4, 3\)"),
    "one point": (lambda m: m.velocity(0.5, np.zeros(2)), r"got \(2,\)"),
    "no points": (lambda m: m.carry(np.zeros((0, 2)), 0, 1), r"got \(0, 2\)"),
    "NaN": (lambda m: m.carry(np.where(np.eye(4, 2) == 1, np.nan, 0), 0, 1), "x: 2 of 4 points are not finite"),
    "text": (lambda m: m.velocity(0.5, [["a", "b"]]), "x: an array of numbers is expected"),
    "ragged": (lambda m: m.velocity(0.5, [[1, 2], [3]]), "x: an array of numbers is expected, got list"),
    "early": (lambda m: m.velocity(-0.1, X), r"t: times from 0 to 1 are expected, got -0\.1"),
    "late": (lambda m: m.velocity([0, 0.5, 1, 1.01], X), r"got 1\.01"),
    "no time": (lambda m: m.velocity(np.nan, X), "got nan"),
    "many times": (lambda m: m.velocity([0, 1, 0], X), r"one for each of 4 points, is expected, got shape \(3,\)"),
    "beyond": (lambda m: m.carry(X, 0, 2), "t: times from 0 to 1 are expected, got 2"),
    "one stop": (lambda m: m.carry(X, 0, 1, times=1), "times: a whole number from 2 on is expected, got 1"),
    "none": (lambda m: m.sample(0), "n: a whole number from 1 on"),
    "half": (lambda m: m.sample(1.5), r"n: a whole number from 1 on is expected, got 1\.5"),
    "solver": (lambda m: m.sample(3, solver="rk5"), "unknown solver 'rk5'; did you mean 'rk4'"),
    "no steps": (lambda m: m.sample(3, solver="euler"), "solver 'euler': steps: a whole number from 1 on"),
    "steps of dopri5": (lambda m: m.sample(3, solver="dopri5", steps=3), "takes a tolerance, no steps"),
    "tolerance of rk4": (lambda m: m.sample(3, solver="rk4", tolerance=0.1), "takes steps, no tolerance"),
    "tolerance": (lambda m: m.sample(3, solver="dopri5", tolerance=-1), "a number between 0 and 1"),
    "seed": (lambda m: m.sample(3, seed=-1), "seed: a whole number from 0 on"),
    "labels": (lambda m: m.velocity(0, X, labels=[0, 1, 0, 1]), "is not told the classes"),
    "density": (lambda m: m.log_density(X), r"no log density is known: the source is not N\(0, I\)"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_makes_no_sense_is_one_line(project: Path, what: str) -> None:
    ask, said = WRONG[what]
    with pytest.raises(UserError, match=said) as error:
        ask(cfm.load(_run(project)))
    assert str(error.value).isprintable()


@pytest.mark.parametrize("ask", [lambda m: m.velocity(0, X), lambda m: m.carry(X, 0, 1)])
@pytest.mark.parametrize(
    ("dataset", "method", "said"),
    [
        (NORMAL, "identity", "identity/seed=42: a control without a network has no velocity"),
        (MOONS, "icnn", "icnn/seed=42: has no velocity: it maps the source to the target at once; use `sample`"),
    ],
)
def test_methods_that_are_no_flow_say_so(project: Path, ask, dataset: str, method: str, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=said):
        ask(cfm.load(_run(project, dataset, method)))


def test_the_density_of_a_field_without_derivatives_is_not_known(project: Path) -> None:
    with pytest.raises(UserError, match="no log density is known of this method"):
        cfm.load(_run(project, NORMAL, "action_matching")).log_density(X)
