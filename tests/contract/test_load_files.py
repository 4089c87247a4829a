"""`cfm.load` on folders of every kind: by themselves, failed, damaged, on time courses, with classes; and installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cfm
from cfm.datasets.base import Prepared
from cfm.errors import UserError
from cfm.files import read_tensors, write_tensors
from cfm.settings import UNetSettings
from tests.made_run import TRAINING, constant_velocity, made_run
from tests.manual_pages import examples

LINEAR = {"family": "flow_matching", "coupling": "independent", "path": "linear", "sigma": 0.0}
TOY = {"family": "toy2d", "source": "gaussian", "target": "moons"}
COURSE = {"family": "branching", "cells": 100, "snapshots": 5, "left_out": 2}


def _points(n: int, dim: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


NORMAL = Prepared({"train_1": _points(20), "val_1": _points(5), "test_1": _points(6)}, 2, gaussian_source=True)
_SEEN = {f"{split}_{k}": _points(12, 5, k) for split in ("train", "val") for k in range(4)}
TIMES = Prepared(
    {**_SEEN, "test_0": _points(9, 5), "test_1": _points(8, 5)}, 5, False, times=(0, 1, 3, 4), span=(1.0, 2.0)
)


def _toy(folder: Path, **more: object) -> Path:
    return made_run(folder / "toy/mine/seed=3", LINEAR, TOY, NORMAL, constant_velocity(1, -2), **more)  # type: ignore[arg-type]


def test_a_run_that_was_not_evaluated_knows_no_solver_by_name(tmp_path: Path) -> None:
    model = cfm.load(_toy(tmp_path))
    assert "solvers: none by name" in repr(model)
    np.testing.assert_allclose(model.sample(6), NORMAL.source("test", 3) + np.array([1, -2]), atol=1e-5)
    np.testing.assert_allclose(model.sample(6, solver="euler", steps=2), model.sample(6), atol=1e-5)


def test_a_copy_of_the_folder_alone_draws_the_normal_source_itself(tmp_path: Path) -> None:
    run = _toy(tmp_path)
    expected = cfm.load(run).sample(6)
    shutil.copytree(run, tmp_path / "elsewhere/deep/seed=3")
    alone = cfm.load(tmp_path / "elsewhere/deep/seed=3")
    assert alone.sample(40).shape == (40, 2) and alone.log_density(_points(3)).shape == (3,)
    assert not (alone.data.path).exists() and expected.shape == (6, 2)


@pytest.mark.parametrize("family", ["toy2d", "branching"])
def test_a_copy_alone_says_what_it_lacks(tmp_path: Path, family: str) -> None:
    toy = {**TOY, "source": "moons_wide", "target": "8gaussians"}
    stored = Prepared({**NORMAL.arrays, "test_0": _points(6), "train_0": _points(20)}, 2, gaussian_source=False)
    dataset, data = {"toy2d": (toy, stored), "branching": (COURSE, TIMES)}[family]
    run = made_run(tmp_path / "data/mine/seed=3", LINEAR, dataset, data)
    (tmp_path / "data/data.npz").unlink()
    with pytest.raises(UserError, match=r"data/data\.npz: missing: .*; copy it too"):
        cfm.load(run).sample(3)


def test_other_data_than_those_of_the_training_are_refused(tmp_path: Path) -> None:
    run = _toy(tmp_path)
    made_run(
        tmp_path / "toy/other/seed=3", LINEAR, TOY, replace(NORMAL, arrays={**NORMAL.arrays, "test_1": _points(7)})
    )
    with pytest.raises(UserError, match=r"toy/data\.npz: not the data that .*mine/seed=3 was trained on"):
        cfm.load(run)


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this run failed, there is no network: the loss is nan"):
        cfm.load(_toy(tmp_path, failure="the loss is nan"))


def test_a_folder_that_is_no_run_says_what_is(tmp_path: Path) -> None:
    run = _toy(tmp_path)
    with pytest.raises(UserError, match=r"nowhere: there is no such folder; a run is RESULTS/BUDGET/"):
        cfm.load(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"mine: no run, it has no model.safetensors; choose one of its runs: seed=3"):
        cfm.load(run.parent)
    (run / "model.safetensors").unlink()
    with pytest.raises(UserError, match="`make reproduce` trains it"):
        cfm.load(run)


@pytest.mark.parametrize(
    ("asked", "hint"), [("bets", "did you mean 'best'"), ("average", "valid: best, last"), (3, "")]
)
def test_an_unknown_checkpoint_names_those_that_are_kept(tmp_path: Path, asked: str, hint: str) -> None:
    with pytest.raises(UserError, match=rf"unknown checkpoint '{asked}'; .*{hint}"):
        cfm.load(_toy(tmp_path), asked)


def test_an_unknown_device_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="device 'gpu' cannot be used"):
        cfm.load(_toy(tmp_path), device="gpu")


def _spoil_metadata(run: Path, **changed: str) -> None:
    tensors, metadata = read_tensors(run / "model.safetensors")
    write_tensors(run / "model.safetensors", tensors, {**metadata, **changed})


_FAMILY = json.dumps({"dataset": TOY, "method": {"family": "../os"}, "train": {}})
DAMAGES = {
    "no settings": {"spec": "{"},
    "a list": {"spec": "[]"},
    "no method": {"spec": "{}"},
    "another family": {"spec": _FAMILY},
    "a seed that is none": {"seed": "x"},
    "no training": {"spec": json.dumps({"method": LINEAR})},
    "another key": {"spec": json.dumps({"method": {**LINEAR, "hidden": 1}})},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_stranger_s_model_is_one_line(tmp_path: Path, damage: str) -> None:
    run = _toy(tmp_path)
    _spoil_metadata(run, **DAMAGES[damage])
    with pytest.raises(UserError, match=r"model\.safetensors") as error:
        cfm.load(run)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("name", ["model.safetensors", "../../data.npz"])
@pytest.mark.parametrize("keep", [0, 100, -10])
def test_a_cut_file_is_one_line(tmp_path: Path, name: str, keep: int) -> None:
    run = _toy(tmp_path)
    whole = (run / name).read_bytes()
    (run / name).write_bytes(whole[:keep])
    with pytest.raises(UserError, match=r"damaged|was trained on"):
        cfm.load(run)


def test_another_network_than_the_settings_say_is_one_line(tmp_path: Path) -> None:
    run = _toy(tmp_path)
    tensors, metadata = read_tensors(run / "model.safetensors")
    write_tensors(run / "model.safetensors", {k: x for k, x in tensors.items() if "layers.0" not in k}, metadata)
    with pytest.raises(UserError, match="not this method's network"):
        cfm.load(run)


def test_one_network_of_a_whole_time_course(tmp_path: Path) -> None:
    """Its times are those of the course; samples go from the time before to the one that is left out."""
    model = cfm.load(made_run(tmp_path / "b/m/seed=3", LINEAR, COURSE, TIMES, constant_velocity(1, 0, 0, 0, -2)))
    rate = np.array([1, 0, 0, 0, -2])
    assert model.times == (0, 4) and "t from 0 to 4" in repr(model)
    np.testing.assert_array_equal(model.velocity(3.5, _points(2, 5)), np.tile(rate, (2, 1)))
    np.testing.assert_allclose(model.sample(9, solver="rk4", steps=5), TIMES.arrays["test_0"] + rate, atol=1e-5)
    x = _points(3, 5)
    np.testing.assert_allclose(model.carry(x, 4, 0.5)[-1], x - 3.5 * rate, atol=1e-5)
    with pytest.raises(UserError, match=r"t: times from 0 to 4 are expected, got 4\.1"):
        model.velocity(4.1, x)


def test_a_method_that_sees_one_interval_knows_only_its_times(tmp_path: Path) -> None:
    """Its network goes from 0 to 1 while two times of the course pass: velocities are per time of the course."""
    half = {"family": "action_matching"}

    def uphill(layers):  # type: ignore[no-untyped-def]
        """The potential selu(x_0 + 100) / 1.05..., whose gradient is (1, 0, 0, 0, 0)."""
        for layer in layers.values():
            layer.zero_()
        layers["layers.0.weight"][0, 0], layers["layers.0.bias"][0], layers["layers.1.weight"][0, 0] = 1, 100, 1

    model = cfm.load(made_run(tmp_path / "b/m/seed=3", half, COURSE, TIMES, uphill))
    assert model.times == (1, 3)
    x, rate = _points(9, 5), np.array([0.5, 0, 0, 0, 0])
    np.testing.assert_allclose(model.velocity(2, x), np.tile(rate, (9, 1)), atol=1e-5)
    np.testing.assert_allclose(model.carry(x, 1, 3)[-1], x + 2 * rate, atol=1e-4)
    np.testing.assert_allclose(model.sample(9, solver="rk4", steps=5), TIMES.arrays["test_0"] + rate, atol=1e-4)
    with pytest.raises(UserError, match=r"t: times from 1 to 3 are expected, got 0"):
        model.carry(x, 0, 2)


def test_a_method_that_is_told_the_classes_wants_them(tmp_path: Path) -> None:
    unet = UNetSettings(multipliers=(1,), attention=(), head_channels=8)
    training = replace(TRAINING, width=8, unet=unet)
    arrays = {name: np.tanh(_points(n, 64)) for name, n in (("train_1", 12), ("val_1", 4), ("test_1", 5))}
    labels = {
        name.replace("_1", "_label"): np.arange(len(x), dtype=np.float32)[:, None] % 10 for name, x in arrays.items()
    }
    dataset, method = {"family": "images", "archive": "digits"}, {**LINEAR, "classes": 10}
    data = Prepared({**arrays, **labels}, 64, gaussian_source=True)
    model = cfm.load(made_run(tmp_path / "d/m/seed=3", method, dataset, data, training=training))
    x, how = _points(5, 64), {"solver": "euler", "steps": 2}
    assert model.velocity(0.5, x, labels=range(5)).shape == (5, 64)
    np.testing.assert_array_equal(model.sample(5, **how), model.sample(5, labels=np.arange(5), **how))
    assert model.carry(x, 0, 1, labels=[3] * 5, **how).shape == (2, 5, 64)
    for labels_given, said in (
        (None, "give one for each of 5"),
        ([10] * 5, "a class from 0 to 9"),
        ([1], r"shape \(5,\)"),
    ):
        with pytest.raises(UserError, match=said):
            model.velocity(0.5, x, labels=labels_given)


def test_without_its_network_an_external_run_says_where_its_samples_are(tmp_path: Path) -> None:
    run = tmp_path / "a/b/seed=1"
    run.mkdir(parents=True)
    for family, said in (("external", "a program outside this package"), ("icnn", "is not here")):
        hyper = {"penalty": 1.0, "g_steps": 1} if family == "icnn" else {"parameters": {}}
        (run / "spec.json").write_text(json.dumps({"method": {"family": family, **hyper}, "dataset": TOY}))
        with pytest.raises(UserError, match=f"{said}; its samples are in samples/"):
            cfm.load(run)


def test_the_package_alone_is_light_and_the_rest_is_there_where_it_is_installed(tmp_path: Path) -> None:
    """An editable installation in an environment of its own, from a folder that is not the project's."""
    run, site, root = _toy(tmp_path), tmp_path / "site", Path.cwd()
    site.mkdir()
    build = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        site,
        "-e",
    ]
    made = subprocess.run([*map(str, build), str(root)], capture_output=True, text=True, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    code = (
        "import sys, site; site.addsitedir(sys.argv[2]); import cfm\n"
        "assert not {'numpy', 'torch', 'cfm.config'} & set(sys.modules)\n"
        "print(cfm.__file__, cfm.load(sys.argv[1]).sample(4).shape)"
    )
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    arguments = [sys.executable, "-c", code, str(run), str(site)]
    found = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path, env=clean)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == [str(root / "cfm/__init__.py"), "(4,", "2)"]


def test_the_example_of_the_manual_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = examples("using_models")
    assert len(example.splitlines()) <= 8
    run = made_run(tmp_path / "results/quick/toy2d/gaussian_moons/otcfm/seed=42", LINEAR, TOY, NORMAL)
    (run / "spec.json").write_text(json.dumps({"solvers": {"rk4": {"scheme": "rk4", "steps": 100}}}))
    monkeypatch.chdir(tmp_path)
    found: dict[str, np.ndarray] = {}
    exec(compile(example, "using_models", "exec"), found)
    shapes = {name: found[name].shape for name in ("x", "v", "path", "log_p")}
    assert shapes == {"x": (500, 2), "v": (500, 2), "path": (11, 500, 2), "log_p": (500,)}
    np.testing.assert_allclose(found["path"][-1], cfm.load(run).data.source(500, 42), atol=1e-3)
