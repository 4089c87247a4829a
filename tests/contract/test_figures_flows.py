"""Figures of flows: conditional paths and the exact flow, density and velocity fields, and the animation."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot
from PIL import Image

from cfm import config as configuration
from cfm.artifacts.layout import samples_path
from cfm.config import Config
from cfm.errors import RunFailed
from cfm.files import write_arrays
from cfm.methods.flow_matching import FlowMatching
from cfm.paths import PATHS
from cfm.results.figures import animation, fields, paths
from cfm.results.figures import base as figures
from cfm.results.figures._flows import at, bounding_box, outline
from cfm.settings import Figure
from cfm.stages.data import prepare

NORMAL, MOONS = "gaussian_8gaussians", "moons_8gaussians"
METHODS = ("icfm", "otcfm", "fm")
SHIFT = np.array([3.0, -1.0])
SETTINGS = {
    "paths": Figure("paths", "", methods=METHODS),
    "fields": Figure("fields", "", "rk4", methods=METHODS[:2]),
    "flow": Figure("animation", "", "rk4", methods=METHODS[:2]),
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The smoke budget with its results elsewhere, and samples that all move at one speed."""
    loaded = configuration.load("smoke", ("toy2d",))
    experiment = dataclasses.replace(loaded.experiments["toy2d"], figures=SETTINGS, methods=METHODS)
    main = dataclasses.replace(loaded.main, results=str(tmp_path))
    loaded = dataclasses.replace(loaded, main=main, experiments={"toy2d": experiment})
    assert experiment.sizes is not None
    for dataset in (NORMAL, MOONS):
        prepare(loaded.datasets[dataset].dataset, experiment.sizes, loaded.layout.data("toy2d", dataset))
    for method in METHODS:
        samples(loaded, method, **shift(200))
    return loaded


@pytest.fixture(autouse=True)
def _own_style() -> Iterator[None]:
    with pyplot.rc_context():
        yield
    pyplot.close("all")


def samples(config: Config, method: str, **arrays: np.ndarray) -> None:
    run = config.layout.run("toy2d", NORMAL, method, config.experiments["toy2d"].seeds[0])
    write_arrays(samples_path(run, "rk4"), arrays)


def shift(n: int) -> dict[str, np.ndarray]:
    t = np.linspace(0, 1, 11) ** 1.5
    start = np.random.default_rng(0).standard_normal((n, 2))
    return {"t": t, "trajectory": (start + t[:, None, None] * SHIFT).astype(np.float32)}


def fail(config: Config, method: str, reason: str) -> None:
    samples(config, method, x0=np.zeros((1, 2)), failure=np.array(reason))


def texts(axes: Any) -> list[list[str]]:
    return [[" ".join(text.get_text().split()) for text in axis.texts] for axis in axes]


def test_values_between_stored_times() -> None:
    times, values = np.array([0.0, 0.2, 1.0]), np.array([[0.0], [2.0], [10.0]])
    assert [at(t, times, values).item() for t in (0.0, 0.1, 0.2, 0.6, 1.0)] == pytest.approx([0, 1, 2, 6, 10])


# The first row: conditional paths.


@pytest.mark.parametrize("name", ["linear", "brownian_bridge", "trigonometric"])
def test_conditional_paths_start_and_end_at_their_pair(name: str) -> None:
    x0, x1 = torch.randn(2, 7, 2, generator=torch.Generator().manual_seed(0))
    mean, std = paths.conditionals(PATHS[name](0.3), x0, x1)
    assert mean.shape[1:] == (7, 2) and len(mean) == len(std)
    np.testing.assert_allclose(mean[[0, -1]], torch.stack([x0, x1]), atol=1e-6)


def test_the_path_of_flow_matching_narrows_from_noise_to_its_target() -> None:
    x1 = torch.tensor([[3.0, 4.0]])
    mean, std = paths.conditionals(PATHS["lipman"](0.1), torch.ones(1, 2), x1)
    np.testing.assert_allclose(mean[[0, -1], 0], [[0, 0], [3, 4]], atol=1e-6)
    np.testing.assert_allclose(std[[0, -1]], [1, 0.1], atol=1e-6)


@pytest.mark.parametrize("end", [0.5, 4.0])
@pytest.mark.parametrize("name", ["linear", "brownian_bridge", "lipman", "variance_preserving"])
def test_a_straight_tube_holds_its_discs_and_touches_them(name: str, end: float) -> None:
    """Also where wide discs hold narrow ones."""
    mean, std = paths.conditionals(PATHS[name](0.4), torch.tensor([[0.0, 0.3]]), torch.tensor([[end, 0.0]]))
    border = outline(mean[:, 0], std)
    gap = np.linalg.norm(border[:, None] - mean[:, 0], axis=2) - std
    assert abs(gap.min(axis=1)).max() < 0.02 * std.max()


# The second row: the marginal flow.


def test_the_marginal_flow_of_gaussians_arrives_at_the_target() -> None:
    rng = torch.Generator().manual_seed(0)
    x0, noise, eps = torch.randn(3, 2000, 2, generator=rng)
    centre = torch.tensor([4.0, -2.0])
    flow = paths.marginal_flow(PATHS["linear"](0.2), x0, centre + 0.5 * noise, eps)
    assert np.allclose(flow[0].mean(axis=0), 0, atol=0.3) and 0.8 < flow[0].std() < 1.2
    assert np.allclose(flow[-1].mean(axis=0), centre, atol=0.15) and 0.4 < flow[-1].std(axis=0).mean() < 0.7


@pytest.mark.parametrize(("dataset", "labels"), [(NORMAL, ["I-CFM", "OT-CFM", "FM"]), (MOONS, ["I-CFM", "OT-CFM"])])
def test_columns_are_the_methods_that_run_on_the_data(config: Config, dataset: str, labels: list[str]) -> None:
    figure = paths.draw(config, "toy2d", SETTINGS["paths"], dataset)
    assert len(figure.axes) == 2 * len(labels)
    assert [axis.get_title() for axis in figure.axes] == labels + [""] * len(labels)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == paths._LEGEND


@pytest.mark.parametrize("failing", [("exact",), ("exact", "independent")])
def test_a_coupling_that_fails_says_so_in_its_column(
    config: Config, monkeypatch: pytest.MonkeyPatch, failing: tuple[str, ...]
) -> None:
    def couple(method: FlowMatching, *rest: Any) -> Any:
        if method.coupling in failing:
            raise RunFailed("the plan is not finite")
        return whole(method, *rest)

    whole = FlowMatching.couple
    monkeypatch.setattr(FlowMatching, "couple", couple)
    found = texts(paths.draw(config, "toy2d", SETTINGS["paths"], NORMAL).axes)
    failed = ["failed: the plan is not finite" in lines for lines in found]
    assert failed == 2 * [True if len(failing) == 2 else name == "otcfm" for name in METHODS]


# Fields.


def test_velocities_of_a_rotation() -> None:
    t = np.linspace(0, 1, 51)
    start = np.random.default_rng(0).standard_normal((100, 2))
    turn = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
    states = fields.moving({"t": t, "trajectory": np.einsum("ijt,nj->tni", turn, start)})
    for x, v in states[1:-1]:
        np.testing.assert_allclose(v, np.stack([-x[:, 1], x[:, 0]], axis=1), atol=1e-3)
    x, v = states[0]
    np.testing.assert_allclose(v, np.stack([-x[:, 1], x[:, 0]], axis=1), atol=0.05)  # one-sided


def test_arrows_are_where_points_are() -> None:
    box = np.array([[0.0, 0.0], [fields._CELLS, 1.0]])
    x = np.array([[2.2, 0.5], [2.4, 0.6], [2.9, 0.1], [7.5, 0.5]])
    v = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 3.0], [9.0, 9.0]])
    places, velocities = fields.mean_velocities(x, v, box)
    assert places.tolist() == [[2.5, 0.5]] and velocities.tolist() == [[2.0, 1.0]]


@pytest.mark.parametrize("n", [100, 3000])
def test_a_density_is_one_in_total(n: int) -> None:
    x = np.random.default_rng(0).standard_normal((n, 2)) * [2, 1]
    box = bounding_box([x], margin=0.2)
    found = fields.density(x, box)
    assert found.shape[1] == fields._PIXELS
    assert found.sum() * np.prod((box[1] - box[0]) / found.shape[::-1]) == pytest.approx(1, abs=0.01)
    assert np.unravel_index(found.argmax(), found.shape) == pytest.approx(np.array(found.shape) / 2, abs=15)


@pytest.mark.parametrize("n", [100, 2000])
def test_all_arrows_of_a_shift_are_its_velocity(config: Config, n: int) -> None:
    for method in METHODS:
        samples(config, method, **shift(n))
    figure = fields.draw(config, "toy2d", SETTINGS["fields"], NORMAL)
    assert [axis.get_title() for axis in figure.axes[:5]] == ["t = 0", "t = 0.25", "t = 0.5", "t = 0.75", "t = 1"]
    assert len(figure.axes) == 10
    for axis in figure.axes:
        (arrows,) = axis.collections
        assert len(arrows.U) > 3
        np.testing.assert_allclose(
            np.stack([arrows.U, arrows.V], axis=1), np.tile(SHIFT, (len(arrows.U), 1)), atol=1e-4
        )


def test_a_failed_run_has_its_reason_in_its_row(config: Config) -> None:
    fail(config, "otcfm", "the loss is not finite")
    above, below = np.split(np.array(fields.draw(config, "toy2d", SETTINGS["fields"], NORMAL).axes), 2)
    assert texts(above) == [["I-CFM"], [], [], [], []]
    assert all("failed: the loss is not finite" in found for found in texts(below))
    fail(config, "icfm", "the loss is not finite")
    axes = fields.draw(config, "toy2d", SETTINGS["fields"], NORMAL).axes
    assert all("failed: the loss is not finite" in found for found in texts(axes))


# The animation.


def test_frames_go_from_the_first_to_the_last_points() -> None:
    stored = shift(5)
    way = animation.way(stored)
    np.testing.assert_allclose(way[[0, -1]], stored["trajectory"][[0, -1]], atol=1e-6)
    np.testing.assert_allclose(way[15] - way[0], np.tile(SHIFT / 2, (5, 1)), atol=1e-5)


def test_the_animation_is_the_same_every_time(config: Config) -> None:
    path = config.layout.figure("toy2d", "flow", NORMAL, "gif")
    figures.draw(config, "toy2d", "flow", NORMAL)
    first = path.read_bytes()
    with Image.open(path) as shown:
        # Pillow shows equal frames, those after the tails have run out, as one.
        assert shown.n_frames == animation._FRAMES + animation._TAIL
        assert shown.size[0] == round(100 * 2 * animation._WIDTH)
        durations = []
        for frame in range(shown.n_frames):
            shown.seek(frame)
            durations.append(shown.info["duration"])
    assert sum(durations) == (animation._FRAMES + animation._HOLD) * animation._INTERVAL
    figures.draw(config, "toy2d", "flow", NORMAL)
    assert path.read_bytes() == first


def test_a_failed_run_has_its_reason_in_the_animation(config: Config) -> None:
    fail(config, "otcfm", "the loss is not finite")
    shown = animation.draw(config, "toy2d", SETTINGS["flow"], NORMAL)
    figure = pyplot.gcf()
    figure.canvas.draw()
    assert texts(figure.axes) == [[], ["failed: the loss is not finite"]]
    assert len(list(shown.new_frame_seq())) == animation._FRAMES + animation._HOLD


@pytest.mark.parametrize("name", ["paths", "fields"])
def test_a_figure_is_the_same_every_time(config: Config, name: str) -> None:
    files = [config.layout.figure("toy2d", name, NORMAL, suffix) for suffix in ("png", "pdf")]
    figures.draw(config, "toy2d", name, NORMAL)
    first = [path.read_bytes() for path in files]
    figures.draw(config, "toy2d", name, NORMAL)
    assert [path.read_bytes() for path in files] == first
