"""Figures of translations: which pictures are where, at which times, and what is said of a run that failed."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot

from cfm import config as configuration
from cfm.artifacts.layout import samples_path
from cfm.config import Config
from cfm.files import write_arrays
from cfm.nets.autoencoder import decode, encode
from cfm.nets.vae import VAE
from cfm.pictures import mosaic
from cfm.results.figures import base, translation_steps, translations

DATASET, METHODS = "smiles_few", ("icfm_sigma0_1", "otcfm_sigma0_1")
SIDE, LATENT, FACES = 8, 4, 12
RNG = np.random.default_rng(0)
START, END = RNG.standard_normal((2, 20, LATENT)).astype(np.float32)


@pytest.fixture
def known() -> dict[str, np.ndarray]:
    """The arrays of the data set: a decoder, never trained."""
    net = VAE(SIDE, 1, LATENT, 2)
    net.initialise(0)
    pictures = RNG.integers(0, 255, (30, 1, SIDE, SIDE), dtype=np.uint8)
    arrays = encode(net, pictures, np.arange(30))
    arrays.pop("codes")
    arrays |= {name: 4 * weights for name, weights in arrays.items()}  # else all is grey
    return {**arrays, "test_0": START}


@pytest.fixture
def config(tmp_path: Path, known: dict[str, np.ndarray]) -> Iterator[Config]:
    """The smoke budget with its results elsewhere; all samples go straight from START to END, in four steps."""
    loaded = configuration.load("smoke", ("translation",))
    loaded = dataclasses.replace(loaded.whole(), main=dataclasses.replace(loaded.main, results=str(tmp_path)))
    experiment = dataclasses.replace(loaded.experiments["translation"], methods=METHODS)
    loaded = dataclasses.replace(loaded, experiments={"translation": experiment})
    write_arrays(loaded.layout.data("translation", DATASET), known)
    t = np.linspace(0, 1, 5, dtype=np.float32)
    trajectory = START + t[:, None, None] * (END - START)
    for method in METHODS:
        run = loaded.layout.run("translation", DATASET, method, 42)
        write_arrays(samples_path(run, "rk4"), {"t": t, "trajectory": trajectory})
    with pyplot.rc_context():
        yield loaded
    pyplot.close("all")


def _fail(config: Config, method: str, reason: str) -> None:
    run = config.layout.run("translation", DATASET, method, 42)
    write_arrays(samples_path(run, "rk4"), {"failure": np.array(reason)})


def _draw(config: Config, name: str) -> list[pyplot.Axes]:
    kind = {"translations": translations, "on_the_way": translation_steps}[name]
    settings = config.experiments["translation"].figures[name]
    return [axis for axis in kind.draw(config, "translation", settings, DATASET).axes if axis.images or axis.texts]


def _shown(axis: pyplot.Axes, row: int, column: int) -> np.ndarray:
    """The picture in a place of a panel's mosaic."""
    (image,) = axis.images
    rows, columns = slice(row * SIDE, (row + 1) * SIDE), slice(column * SIDE, (column + 1) * SIDE)
    return np.asarray(image.get_array())[rows, columns]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mosaic_has_every_picture_in_its_row_and_column(channels: int) -> None:
    pictures = RNG.random((2, 3, channels, 4, 5))
    laid = mosaic(pictures)
    assert laid.shape == ((8, 15) if channels == 1 else (8, 15, 3))
    for row in range(2):
        for column in range(3):
            place = laid[4 * row : 4 * row + 4, 5 * column : 5 * column + 5]
            np.testing.assert_array_equal(place.reshape(4, 5, channels).transpose(2, 0, 1), pictures[row, column])


def test_before_and_after(config: Config, known: dict[str, np.ndarray]) -> None:
    """A row for the start and one per method, the same face in a column."""
    axes = _draw(config, "translations")
    labels = [axis.texts[0].get_text() for axis in axes]
    assert labels == ["before", "I-CFM, σ = 0.1", "OT-CFM, σ = 0.1"]
    before, after = decode(known, START), decode(known, END)
    assert abs(before - after).max() > 0.05
    for face in (0, 5, FACES - 1):
        np.testing.assert_allclose(_shown(axes[0], 0, face), before[face, 0], atol=1e-5)
        for axis in axes[1:]:
            np.testing.assert_allclose(_shown(axis, 0, face), after[face, 0], atol=1e-5)


def test_on_the_way(config: Config, known: dict[str, np.ndarray]) -> None:
    """A row per face, a column per time, in between those that are stored too; times are written below."""
    axes = _draw(config, "on_the_way")
    assert [axis.get_title() for axis in axes] == ["I-CFM, σ = 0.1", "OT-CFM, σ = 0.1"]
    times = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    for axis in axes:
        assert [text.get_text() for text in axis.texts] == ["t = 0", "0.2", "0.4", "0.6", "0.8", "1"]
        for face in (0, 5):
            for column, t in enumerate(times):
                expected = decode(known, START + np.float32(t) * (END - START))[face, 0]
                np.testing.assert_allclose(_shown(axis, face, column), expected, atol=1e-5)


def test_a_failed_run_has_its_reason_in_its_place(config: Config) -> None:
    _fail(config, "otcfm_sigma0_1", "the loss is not finite")
    before = {axis.texts[0].get_text(): axis for axis in _draw(config, "translations")}
    assert [text.get_text() for text in before["OT-CFM, σ = 0.1"].texts][1:] == ["failed: the loss is not finite"]
    assert before["I-CFM, σ = 0.1"].images and not before["OT-CFM, σ = 0.1"].images
    way = {axis.get_title(): axis for axis in _draw(config, "on_the_way")}
    assert "failed" in way["OT-CFM, σ = 0.1"].texts[0].get_text() and len(way["I-CFM, σ = 0.1"].images) == 1


@pytest.mark.parametrize("name", ["translations", "on_the_way"])
def test_a_figure_is_the_same_every_time_and_says_what_it_rests_on(config: Config, name: str) -> None:
    found = []
    for _ in range(2):
        base.draw(config, "translation", name, DATASET)
        found.append([config.layout.figure("translation", name, DATASET, s).read_bytes() for s in ("png", "pdf", "md")])
    assert found[0] == found[1]
    caption = found[0][2].decode()
    assert "Data: smiles, 600 faces. Seed 42. Trained for 20 steps of batch 64." in caption
