"""How own cells look: named by their day; one coordinate, constant ones and two snapshots are drawn."""

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cfm import config as configuration
from cfm.artifacts.data import load, time_labels
from cfm.config import Config
from cfm.config.entries import NamedDataset
from cfm.datasets.snapshots import Snapshots
from cfm.errors import UserError
from cfm.results.columns import columns
from cfm.results.figures.base import draw
from cfm.results.figures.interpolation import in_plane, shown_coordinates
from cfm.results.labels import dataset_label
from cfm.settings import Entry
from cfm.stages.data import prepare
from cfm.stages.evaluate import evaluate
from cfm.stages.sample import sample
from tests.small_cells import PCS, TIME, labelled, npz

METHODS = ("identity", "split_half", "ot_interpolation")


def _config(folder: Path, **datasets: Snapshots) -> Config:
    """The experiment on single cells with other data, methods that are not trained, and results in `folder`."""
    config = configuration.load("smoke", ("single_cell",))
    settings = config.experiments["single_cell"]
    figures = {name: dataclasses.replace(figure, methods=METHODS) for name, figure in settings.figures.items()}
    cells = dataclasses.replace(
        settings, datasets=tuple(datasets), methods=METHODS, seeds=(42, 43), figures=figures, metrics=("w1", "w2")
    )
    named = {
        name: NamedDataset(name, Entry(f"mine, t={data.left_out} left out", "snapshots"), data, "mine", "mine")
        for name, data in datasets.items()
    }
    main = dataclasses.replace(config.main, results=str(folder))
    experiments = {"single_cell": cells}
    return dataclasses.replace(config, main=main, datasets=named, experiments=experiments, asked=experiments)


def _snapshots(folder: Path, name: str, points: Any, labels: Any, **settings: Any) -> Snapshots:
    (folder / name).mkdir()
    path = npz(folder / name, X=points, day=labels)
    return Snapshots(str(path), "X", "day", **{"dims": points.shape[1], "left_out": 1, **settings})


def _run(config: Config) -> None:
    """All stages, in this process."""
    name = "single_cell"
    settings, layout = config.experiments[name], config.layout
    for dataset in settings.datasets:
        prepare(config.datasets[dataset].dataset, None, layout.data(name, dataset))
        for method in METHODS:
            assert config.skip_reason(dataset, method) is None
            runs = {seed: layout.run(name, dataset, method, seed) for seed in settings.seeds}
            data, solvers = layout.data(name, dataset), settings.solvers
            own = config.methods[method].method, config.datasets[dataset].dataset
            sample(*own, None, solvers, data, runs, "cpu", lambda *_: None)
            evaluate(solvers, settings.metrics, data, runs, {}, "{}", {}, lambda *_: None)


WORDS = np.array(["control", "treated"])
SHAPES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "one_gene": (PCS[:, :1], TIME, {}),
    "zeros_first": (np.hstack([np.zeros((120, 2)), PCS[:, :3]]), TIME, {"whiten": "none"}),
    "one_varies": (np.hstack([PCS[:, :1], np.ones((120, 2))]), TIME, {"whiten": "none", "left_out": 2}),
    "rarely_expressed": (np.hstack([PCS[:, :1], (np.arange(120) == 5)[:, None]]), TIME, {}),
    "far_apart_scales": (PCS[:, :2] * [1e-3, 1e4], TIME, {"whiten": "none"}),
    "two_words": (PCS[:60], WORDS[TIME[:60]], {"left_out": None, "times": ("control", "treated")}),
    "none_left_out": (PCS, labelled(["E6.5", "E7", "E7.5", "E8"]), {"left_out": None}),
}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Data of every shape, with the runs of methods that need no training."""
    folder = tmp_path_factory.mktemp("shapes")
    made = {name: _snapshots(folder, name, x, t, **settings) for name, (x, t, settings) in SHAPES.items()}
    config = _config(folder / "results", **made)
    _run(config)
    return config


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_of_data_is_drawn(shapes: Config, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # what matplotlib says of axes without extent
        draw(shapes, "single_cell", "interpolation", name)
    path = shapes.layout.figure("single_cell", "interpolation", name, "png")
    assert 10_000 < path.stat().st_size < 1_000_000


def test_the_axes_are_the_first_coordinates_that_vary_or_time(shapes: Config) -> None:
    expected = {
        "one_gene": [0],
        "zeros_first": [2, 3],
        "one_varies": [0],
        "rarely_expressed": [0, 1],
        "far_apart_scales": [0, 1],
        "two_words": [0, 1],
        "none_left_out": [0, 1],
    }
    found = {name: shown_coordinates(load(shapes.layout.data("single_cell", name))) for name in SHAPES}
    assert found == expected
    times, points = np.array([[0.0], [0.5]]), np.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_array_equal(in_plane(points, [1], times)[1, 2], [0.5, 11])


def test_a_column_is_named_by_what_the_file_calls_its_time(tmp_path: Path) -> None:
    uneven = _snapshots(tmp_path, "uneven", PCS, np.array([0, 8, 15, 30])[TIME])
    stages = _snapshots(tmp_path, "stages", PCS, labelled(["E6.5", "E7", "E7.5", "E8"]), left_out=2)
    counted = _snapshots(tmp_path, "counted", PCS, TIME)
    odd = _snapshots(tmp_path, "odd", PCS, labelled(["0 $", "1 $", "2 $", "3 $"]))
    config = _config(tmp_path / "results", uneven=uneven, stages=stages, counted=counted, odd=odd)
    before = ["mine, mean", *(f"mine, t={k} left out" for k in (1, 2, 1, 1))]
    assert [column.label for column in columns(config, "single_cell")] == before  # nothing is prepared
    for name in ("uneven", "stages", "counted", "odd"):
        prepare(config.datasets[name].dataset, None, config.layout.data("single_cell", name))
    labels = ["mine, mean", "mine, day 8 left out", "mine, E7.5 left out", "mine, t=1 left out", "mine, t=1 left out"]
    assert [column.label for column in columns(config, "single_cell")] == labels
    assert dataset_label(config, "single_cell", "uneven") == labels[1]
    config.layout.data("single_cell", "uneven").write_bytes(b"damaged")
    with pytest.raises(UserError, match="damaged"):
        time_labels(config.layout.data("single_cell", "uneven"))
