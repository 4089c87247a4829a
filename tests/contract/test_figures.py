"""Figures: every method has its panel, a failed run says why, the same numbers give the same bytes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cfm import config as configuration
from cfm.artifacts.layout import samples_path
from cfm.config import Config
from cfm.errors import UserError
from cfm.files import write_arrays
from cfm.results.figures import trajectories
from cfm.results.figures._captions import caption
from cfm.results.figures._failed import draw_or_note, failed_figures, undrawn_lines
from cfm.results.figures.base import COLOURS, draw, kind_of, methods_shown

DATASET = "gaussian_8gaussians"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The smoke budget with its results elsewhere, and samples for all trained methods."""
    loaded = configuration.load("smoke", ("toy2d",))
    loaded = dataclasses.replace(loaded, main=dataclasses.replace(loaded.main, results=str(tmp_path)))
    rng = np.random.default_rng(0)
    write_arrays(loaded.layout.data("toy2d", DATASET), {"test_1": rng.standard_normal((50, 2)).astype(np.float32)})
    for dataset, method in loaded.pairs("toy2d"):
        if dataset == DATASET and loaded.methods[method].method.trained:
            trajectory = rng.standard_normal((5, 20, 2)).astype(np.float32)
            run = loaded.layout.run("toy2d", dataset, method, 42)
            write_arrays(samples_path(run, "rk4"), {"trajectory": trajectory})
    return loaded


def _bytes(config: Config, suffix: str) -> bytes:
    return config.layout.figure("toy2d", "trajectories", DATASET, suffix).read_bytes()


def test_a_figure_is_the_same_every_time(config: Config) -> None:
    draw(config, "toy2d", "trajectories", DATASET)
    first = {suffix: _bytes(config, suffix) for suffix in ("png", "pdf")}
    assert first["png"][:4] == b"\x89PNG" and first["pdf"][:4] == b"%PDF"
    draw(config, "toy2d", "trajectories", DATASET)
    assert {suffix: _bytes(config, suffix) for suffix in first} == first


def test_a_failed_run_has_its_reason_in_its_panel(config: Config) -> None:
    run = config.layout.run("toy2d", DATASET, "otcfm", 42)
    reason = "the loss is not finite"
    write_arrays(samples_path(run, "rk4"), {"x0": np.zeros((1, 2)), "failure": np.array(reason)})
    settings = config.experiments["toy2d"].figures["trajectories"]
    figure = trajectories.draw(config, "toy2d", settings, DATASET)
    titles = {axis.get_title(): [text.get_text() for text in axis.texts] for axis in figure.axes}
    assert titles["OT-CFM"] == [f"failed: {reason}"]
    assert list(titles)[:3] == ["I-CFM", "OT-CFM", "SB-CFM"]
    assert len([title for title in titles if title]) == len(methods_shown(config, "toy2d", settings, DATASET))
    assert titles["I-CFM"] == []


def test_colours_stay_apart_without_colour_vision() -> None:
    """Their brightness differs, so that lines and points stay apart in grey print."""
    from matplotlib.colors import to_rgb

    brightness = sorted(np.dot(to_rgb(colour), [0.2126, 0.7152, 0.0722]) for colour in COLOURS.values())
    assert np.diff([0.0, *brightness, 1.0]).min() > 0.05  # between black points and white paper


def test_a_caption_states_data_seeds_and_sizes(config: Config) -> None:
    """Of what is shown: the methods' own lengths of training are there, those of others are not."""
    draw(config, "toy2d", "trajectories", DATASET)
    text = config.layout.figure("toy2d", "trajectories", DATASET, "md").read_text()
    for part in (
        "N → 8gaussians",
        "Seed 42.",
        "500 training, 100 validation and 100 test points",
        "60 steps of batch 64",
    ):
        assert part in text
    assert "CNF: 10 steps of batch 64" in text and "Budget 'smoke'" in text
    settings = config.experiments["toy2d"].figures["trajectories"]
    assert "CNF" not in caption(config, "toy2d", settings, None, (42, 43), ["icfm"])


def _raising(*_: object) -> None:
    raise ZeroDivisionError("no points\nat all")


def test_a_figure_that_raises_leaves_a_note_in_the_place_of_its_pictures(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No old picture stays beside it; drawn again, the note goes."""
    place = ("toy2d", "trajectories", DATASET)
    assert draw_or_note(config, *place) is None
    drawn = [config.layout.figure(*place, suffix) for suffix in ("png", "pdf", "md")]
    assert all(path.exists() for path in drawn)
    with monkeypatch.context() as planted:
        planted.setattr(trajectories, "FIGURE", dataclasses.replace(trajectories.FIGURE, draw=_raising))
        reason = draw_or_note(config, *place)
    assert reason is not None and reason.startswith("ZeroDivisionError: no points\\nat all (test_figures.py:")
    assert not any(path.exists() for path in drawn)
    (failed,) = failed_figures(config, "toy2d")
    assert (failed.name, failed.dataset, failed.reason) == ("trajectories", DATASET, reason)
    assert "Traceback" in failed.note.read_text() and reason in undrawn_lines(config)[0]
    assert draw_or_note(config, *place) is None
    assert all(path.exists() for path in drawn) and not failed.note.exists()


def test_what_is_typed_wrongly_is_no_failed_figure(config: Config) -> None:
    for name, dataset in (("trajectories", "../../x"), ("trajectories", None), ("convergence", DATASET)):
        with pytest.raises(UserError, match="--dataset"):
            draw_or_note(config, "toy2d", name, dataset)
    assert not list(config.layout.root.rglob("*.failed.txt"))


def test_a_kind_that_cannot_be_imported_is_one_line(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise SyntaxError(f"invalid syntax in\n{name}")

    monkeypatch.setattr("importlib.import_module", broken)
    with pytest.raises(
        UserError, match=r"trajectories\.py: cannot be imported: SyntaxError: invalid syntax in"
    ) as told:
        kind_of(config.experiments["toy2d"].figures["trajectories"])
    assert "\n" not in str(told.value)
