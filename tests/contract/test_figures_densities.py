"""Figures of densities with a support: weights of samples outside, and a target where code raises or no cell is hit."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from torch import Tensor

from cfm import config as configuration
from cfm.artifacts.layout import samples_path
from cfm.config import Config
from cfm.files import write_arrays
from cfm.results.figures import densities, weights
from cfm.settings import Figure
from tests.own_densities import OUTSIDE, Own

EXPERIMENT, DATASET, METHODS = "unnormalised", "mixture_rwis", ("icfm", "otcfm")
SETTINGS = Figure("weights", "", "dopri5", methods=METHODS)
TEST = np.random.default_rng(0).random((200, 2)).astype(np.float32)


def _config(folder: Path, density: Own) -> Config:
    """The experiment with another density in the place of the mixture, and its test set in the unit square."""
    loaded = configuration.load("paper")
    named = dataclasses.replace(loaded.datasets[DATASET], dataset=density)
    main = dataclasses.replace(loaded.main, results=str(folder))
    config = dataclasses.replace(loaded, main=main, datasets={**loaded.datasets, DATASET: named})
    write_arrays(config.layout.data(EXPERIMENT, DATASET), {"test_1": TEST})
    return config


def _samples(config: Config, method: str, **arrays: object) -> None:
    run = config.layout.run(EXPERIMENT, DATASET, method, config.experiments[EXPERIMENT].seeds[0])
    write_arrays(samples_path(run, "dopri5"), {name: np.asarray(array) for name, array in arrays.items()})


@pytest.fixture(autouse=True)
def _own_style() -> Iterator[None]:
    with pyplot.rc_context():
        yield
    pyplot.close("all")


@pytest.mark.parametrize("kind", ["some outside", "all outside", "failed"])
def test_the_weights_of_a_method_do_not_hide_those_of_another(kind: str, tmp_path: Path) -> None:
    config, inside = _config(tmp_path, Own("importance")), np.zeros(100, np.float32)
    _samples(config, "icfm", log_density=inside, log_target=np.where(np.arange(100) < 50, inside, -np.inf))
    others = {
        "some outside": {"log_density": inside, "log_target": inside},
        "all outside": {"log_density": inside, "log_target": np.full(100, -np.inf)},
        "failed": {"failure": "it diverged"},
    }
    _samples(config, "otcfm", **others[kind])
    figure = weights.draw(config, EXPERIMENT, SETTINGS, DATASET)
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    other = "OT-CFM: 100% effective" if kind == "some outside" else "OT-CFM: failed"
    assert sorted(labels) == sorted([f"{config.methods['icfm'].entry.label}: 50% effective", other])
    _samples(config, "icfm", **others["all outside"])
    if kind != "some outside":
        (axis,) = weights.draw(config, EXPERIMENT, SETTINGS, DATASET).axes
        assert "failed: no sample lies in the support" in " ".join(axis.texts[0].get_text().split())


def _box(x: Tensor) -> Tensor:
    return torch.where(((x > 0) & (x < 1)).all(dim=1), 1000.0, OUTSIDE)


def _raising(x: Tensor) -> Tensor:
    raise ValueError("not here")


def _between_the_cells(x: Tensor) -> Tensor:
    return torch.full((len(x),), OUTSIDE)


@pytest.mark.parametrize("function", [_box, _raising, _between_the_cells], ids=lambda f: f.__name__)
def test_the_target_is_drawn_whatever_the_density_says_on_the_grid(
    function: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _config(tmp_path, Own("importance", function))  # type: ignore[arg-type]
    for method in METHODS:
        _samples(config, method, failure="it diverged")
    figure = densities.draw(config, EXPERIMENT, SETTINGS, DATASET)
    (image,) = figure.axes[0].images
    shades = np.asarray(image.get_array(), float)
    assert np.isfinite(shades).all() and shades.max() > 0
    assert ("not here" in capsys.readouterr().err) == (function is _raising)
    if function is _box:  # uniform, integrates to 1 over the square although exp(1000) is no number
        assert shades.max() == pytest.approx(1, rel=0.05) and shades.min() == 0
