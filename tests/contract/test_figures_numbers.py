"""Figures of numbers: what is drawn is what runs.csv and train.csv say, and failed runs can be seen."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

from cfm import config as configuration
from cfm.artifacts.runs import COLUMNS
from cfm.config import Config
from cfm.results.figures import convergence, dots, evaluations, runtime, sweep
from cfm.results.figures._panels import number
from cfm.results.figures.base import draw, methods_shown
from cfm.settings import Figure

matplotlib.use("Agg")
SEEDS = (1, 2, 3)
GAUSSIAN, MOONS = "gaussian_8gaussians", "moons_8gaussians"  # FM cannot run on the second
SWEEP = Figure("sweep", "", "rk4", ("npe", "w2"), "sigma")
FLOWS = ("icfm", "otcfm", "fm")
Failing = tuple[tuple[str, str, int], ...]  # data set, method, seed


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The paper's settings with results elsewhere, two data sets, three seeds."""
    loaded = configuration.load("paper")
    experiments = {
        name: dataclasses.replace(experiment, datasets=(GAUSSIAN, MOONS), seeds=SEEDS)
        for name, experiment in loaded.experiments.items()
    }
    main = dataclasses.replace(loaded.main, results=str(tmp_path))
    return dataclasses.replace(loaded, main=main, experiments=experiments)


@pytest.fixture(autouse=True)
def _no_open_figures() -> Any:
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def write_runs(config: Config, experiment: str, failing: Failing = ()) -> pd.DataFrame:
    """`runs.csv` with random values for every pair, seed, solver and metric."""
    rng, settings = np.random.default_rng(0), config.experiments[experiment]
    solvers = {name: solver.steps or 30 for name, solver in settings.solvers.items()} or {"pairs": 0}
    rows = []
    for dataset, method in config.pairs(experiment):
        for seed in SEEDS:
            for solver, nfe in solvers.items():
                if (dataset, method, seed) in failing:
                    rows.append([dataset, method, seed, solver, None, None, None, None, "failed", "not finite"])
                    continue
                for metric in settings.metrics:
                    value = rng.uniform(0.5, 2)
                    rows.append([dataset, method, seed, solver, nfe, metric, value, "units", "ok", None])
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"nfe": "Int64", "value": float})
    path = config.layout.runs(experiment)
    path.parent.mkdir(parents=True)
    table.to_csv(path, index=False)
    return table


def write_training(config: Config, methods: tuple[str, ...]) -> dict[tuple[str, str, int], pd.DataFrame]:
    """`train.csv` of every run of some methods; W2 is known at three of four checks."""
    rng, tables = np.random.default_rng(0), {}
    for dataset, method in config.pairs("toy2d"):
        if method in methods:
            training = config.training("toy2d", method)
            assert training is not None
            for seed in SEEDS:
                table = pd.DataFrame({"step": np.array([1, 2, 3, 4]) * training.steps // 4})
                for part in ("coupling", "step", "validation"):
                    table[f"seconds_{part}"] = np.cumsum(rng.uniform(1, 9, 4))
                table["val_w2"] = [*rng.uniform(1, 2, 2), np.nan, rng.uniform(0.2, 0.3)]
                tables[dataset, method, seed] = table
                folder = config.layout.run("toy2d", dataset, method, seed)
                folder.mkdir(parents=True)
                table.to_csv(folder / "train.csv", index=False)
    return tables


def panel(figure: Any, config: Config, dataset: str) -> Any:
    """The first panel with the data set's title."""
    return next(axis for axis in figure.axes if axis.get_title() == config.datasets[dataset].entry.label)


def bars(container: Any) -> list[tuple[float, float]]:
    """The ends of the error bars."""
    segments = container.lines[2][0].get_segments()
    side = int(np.ptp([point[1] for point in segments[0]]) > 0)
    return [(segment[0][side], segment[1][side]) for segment in segments]


def values(table: pd.DataFrame, **where: Any) -> Any:
    """The values of the rows of runs.csv where columns are so."""
    for column, value in where.items():
        table = table[table[column] == value]
    return table.value


def test_convergence_shows_mean_and_deviation_over_seeds(config: Config) -> None:
    tables = write_training(config, FLOWS)
    figure = convergence.draw(config, "toy2d", Figure("convergence", "", metrics=("w2",), methods=FLOWS), None)
    for dataset, methods in ((GAUSSIAN, FLOWS), (MOONS, ("icfm", "otcfm"))):
        axis = panel(figure, config, dataset)
        assert [line.get_label() for line in axis.lines] == [config.methods[m].entry.label for m in methods]
        for line, band, method in zip(axis.lines, axis.collections, methods, strict=True):
            measured = np.array([tables[dataset, method, seed].val_w2.dropna() for seed in SEEDS])
            steps = tables[dataset, method, SEEDS[0]].step.to_numpy()[[0, 1, 3]]
            mean, std = measured.mean(axis=0), measured.std(axis=0, ddof=1)
            np.testing.assert_array_equal(line.get_xdata(orig=False), steps)
            np.testing.assert_allclose(line.get_ydata(orig=False), mean)
            edge = band.get_paths()[0].vertices
            for step, low, high in zip(steps, mean - std, mean + std, strict=True):
                at = edge[edge[:, 0] == step, 1]
                np.testing.assert_allclose([at.min(), at.max()], [low, high])


def test_convergence_leaves_out_what_was_not_measured(config: Config) -> None:
    """A seed without a file, a file of an older version without the column, a method without either."""
    tables = write_training(config, FLOWS)
    folder = config.layout.run("toy2d", GAUSSIAN, "icfm", 1)
    (folder / "train.csv").unlink()
    old = config.layout.run("toy2d", GAUSSIAN, "icfm", 2) / "train.csv"
    tables[GAUSSIAN, "icfm", 2].drop(columns="val_w2").to_csv(old, index=False)
    figure = convergence.draw(
        config, "toy2d", Figure("convergence", "", metrics=("w2",), methods=("icfm", "rf2")), None
    )
    (line,) = panel(figure, config, GAUSSIAN).lines
    np.testing.assert_allclose(line.get_ydata(orig=False), tables[GAUSSIAN, "icfm", 3].val_w2.dropna())


def test_sweep_shows_a_line_for_methods_that_differ_in_the_width_only(config: Config) -> None:
    runs = write_runs(config, "sigma")
    figure = sweep.draw(config, "sigma", SWEEP, None)
    top, bottom = (figure.axes[index] for index in (1, 3))  # the second data set
    labels = ["OT-CFM", "SB-CFM", "SB-CFM (float32 kernel)"]
    for axis, metric in ((top, "npe"), (bottom, "w2")):
        assert [container.get_label() for container in axis.containers] == labels
        for container, stem in zip(axis.containers, ("otcfm", "sbcfm", "sbcfm_float32"), strict=True):
            names = [m for m in methods_shown(config, "sigma", SWEEP) if m.rpartition("_sigma")[0] == stem]
            width = [config.methods[name].method.sigma for name in names]  # type: ignore[attr-defined]
            found = [values(runs, dataset=MOONS, method=name, metric=metric) for name in names]
            np.testing.assert_array_equal(container.lines[0].get_xdata(orig=False), width)
            np.testing.assert_allclose(container.lines[0].get_ydata(orig=False), [one.mean() for one in found])
            np.testing.assert_allclose(bars(container), [(v.mean() - v.std(), v.mean() + v.std()) for v in found])
        assert axis.get_xscale() == "log" and axis.get_ylim()[0] == 0


def test_sweep_shows_methods_without_the_parameter_as_lines_across(config: Config) -> None:
    runs = write_runs(config, "ot_batch")
    settings = dataclasses.replace(SWEEP, over="ot_batch")
    figure = sweep.draw(config, "ot_batch", settings, None)
    axis = figure.axes[0]
    across = {
        line.get_label(): line.get_ydata(orig=False) for line in axis.lines if line.get_linestyle() in ("--", "-.")
    }
    for label, method in (("I-CFM", "icfm"), ("OT-CFM", "otcfm")):
        mean = values(runs, dataset=GAUSSIAN, method=method, metric="npe").mean()
        np.testing.assert_allclose(across[label], [mean, mean])
    (line,) = axis.containers
    blocks = [config.methods[m].method for m in methods_shown(config, "ot_batch", settings)]
    assert [*line.lines[0].get_xdata(orig=False)] == sorted(b.ot_batch for b in blocks if b.ot_batch)  # type: ignore[attr-defined]
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(shown) == len(set(shown)) == 3  # nothing failed, and no two lines are called the same


def test_sweep_marks_failed_runs_in_the_colour_of_their_line(config: Config) -> None:
    one, all_seeds = "sbcfm_sigma0_03", "sbcfm_float32_sigma0_03"
    write_runs(config, "sigma", ((GAUSSIAN, one, 2), *((GAUSSIAN, all_seeds, seed) for seed in SEEDS)))
    figure = sweep.draw(config, "sigma", SWEEP, None)
    first, second = figure.axes[:2]
    lines = {container.get_label(): container.lines[0] for container in first.containers}
    marks = [line for line in first.lines if line.get_marker() == "x"]
    assert [mark.get_color() for mark in marks] == [
        lines[label].get_color() for label in ("SB-CFM", "SB-CFM (float32 kernel)")
    ]
    assert [mark.get_xdata(orig=False)[0] for mark in marks] == [0.03, 0.03]
    assert len({mark.get_ydata(orig=False)[0] for mark in marks}) == 2  # not one over the other
    assert (
        lines["SB-CFM"].get_xdata(orig=False)[0] == 0.03
        and lines["SB-CFM (float32 kernel)"].get_xdata(orig=False)[0] > 0.03
    )
    assert not [line for line in second.lines if line.get_marker() == "x"]
    assert "failed runs" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_sweep_has_a_logarithmic_axis_for_wide_ranges(config: Config) -> None:
    runs = write_runs(config, "sigma")
    runs.loc[(runs.metric == "npe") & (runs.method == "otcfm_sigma0_1"), "value"] /= 100
    runs.to_csv(config.layout.runs("sigma"), index=False)
    figure = sweep.draw(config, "sigma", SWEEP, None)
    assert [axis.get_yscale() for axis in figure.axes] == ["log", "log", "linear", "linear"]


def test_dots_show_mean_deviation_and_number(config: Config) -> None:
    runs = write_runs(config, "objective", ((GAUSSIAN, "icfm", 1), *((MOONS, "otcfm", seed) for seed in SEEDS)))
    settings = config.experiments["objective"].figures["objective"]
    figure = dots.draw(config, "objective", settings, None)
    methods = methods_shown(config, "objective", settings)
    labels = [label.get_text() for label in panel(figure, config, GAUSSIAN).get_yticklabels()]
    assert labels == [config.methods[method].entry.label for method in methods]
    for dataset, empty in ((GAUSSIAN, {}), (MOONS, {"fm": "—", "otcfm": "failed"})):
        axis = panel(figure, config, dataset)
        texts = {methods[text.xy[1]]: text.get_text() for text in axis.texts}
        places = {methods[int(c.lines[0].get_ydata(orig=False)[0])]: c for c in axis.containers}
        assert places.keys() == {*methods} - empty.keys()
        for method, container in places.items():
            found = values(runs, dataset=dataset, method=method, status="ok")
            np.testing.assert_allclose(container.lines[0].get_xdata(orig=False), [found.mean()])
            np.testing.assert_allclose(bars(container), [(found.mean() - found.std(), found.mean() + found.std())])
            note = " (2 of 3)" if (dataset, method) == (GAUSSIAN, "icfm") else ""
            assert texts[method] == number(found.mean()) + note
        assert {method: texts[method] for method in empty} == empty
        assert axis.yaxis_inverted()


def test_runtime_shows_totals_in_order_and_shares(config: Config) -> None:
    tables = write_training(config, ("icfm", "otcfm", "fm", "cnf"))
    unfinished = config.layout.run("toy2d", GAUSSIAN, "cnf", 1) / "train.csv"
    tables.pop((GAUSSIAN, "cnf", 1)).head(2).to_csv(unfinished, index=False)
    figure = runtime.draw(config, "toy2d", Figure("runtime", ""), None)
    left, right = figure.axes
    parts = ["seconds_coupling", "seconds_step", "seconds_validation"]
    spent = {
        config.methods[method].entry.label: pd.DataFrame(
            [table.iloc[-1][parts] for (_, other, _), table in tables.items() if other == method]
        )
        for method in ("icfm", "otcfm", "fm", "cnf")
    }
    order = sorted(spent, key=lambda label: spent[label].sum(axis=1).mean())
    assert [label.get_text() for label in left.get_yticklabels()] == order
    widths = np.array([[bar.get_width() for bar in container] for container in right.containers])
    np.testing.assert_allclose(widths.sum(axis=0), 100)
    for row, label in enumerate(order):
        total = spent[label].sum(axis=1)
        dot = left.containers[row]
        np.testing.assert_allclose(dot.lines[0].get_xdata(orig=False), [total.mean()])
        np.testing.assert_allclose(bars(dot), [(total.mean() - total.std(), total.mean() + total.std())])
        assert left.texts[row].get_text() == number(total.mean())
        np.testing.assert_allclose(widths[:, row], 100 * spent[label].mean() / spent[label].mean().sum())
    starts = [[bar.get_x() for bar in container] for container in right.containers]
    np.testing.assert_allclose(starts, np.cumsum([[0] * 4, *widths[:-1]], axis=0), atol=1e-12)


def test_evaluations_show_the_metric_of_the_methods_asked_for(config: Config) -> None:
    runs = write_runs(config, "toy2d", ((GAUSSIAN, "icfm", 1),))
    settings = Figure("evaluations", "", "rk4", ("npe",), methods=FLOWS)
    figure = evaluations.draw(config, "toy2d", settings, None)
    solvers = config.experiments["toy2d"].solvers
    euler = sorted((s.steps, name) for name, s in solvers.items() if s.scheme == "euler" and s.steps)
    for dataset, methods in ((GAUSSIAN, FLOWS), (MOONS, ("icfm", "otcfm"))):
        axis = panel(figure, config, dataset)
        assert axis.get_ylabel() == "normalised path error"
        assert [c.get_label() for c in axis.containers] == [config.methods[m].entry.label for m in methods]
        ok = runs[(runs.dataset == dataset) & (runs.metric == "npe") & (runs.status == "ok")]
        diamonds = [line for line in axis.lines if line.get_marker() == "D"]
        for container, diamond, method in zip(axis.containers, diamonds, methods, strict=True):
            line, found = container.lines[0], [values(ok, method=method, solver=name) for _, name in euler]
            np.testing.assert_array_equal(line.get_xdata(orig=False), [steps for steps, _ in euler])
            np.testing.assert_allclose(line.get_ydata(orig=False), [one.mean() for one in found])
            np.testing.assert_allclose(bars(container), [(v.mean() - v.std(), v.mean() + v.std()) for v in found])
            np.testing.assert_allclose(
                diamond.get_ydata(orig=False), [values(ok, method=method, solver="dopri5").mean()]
            )
            assert [*diamond.get_xdata(orig=False)] == [30] and diamond.get_color() == line.get_color()
        (floor,) = (line for line in axis.lines if line.get_label() == "noise floor")
        np.testing.assert_allclose(floor.get_ydata(orig=False), values(ok, method="oracle", solver="rk4").mean())
    colours = [{c.get_label(): c.lines[0].get_color() for c in axis.containers} for axis in figure.axes]
    assert len({*colours[0].values()}) == len(FLOWS)
    assert colours[1].items() <= colours[0].items()  # FM's absence changes no other method's colour


@pytest.mark.parametrize("number_", [(0.0012345, "0.00123"), (0.81, "0.810"), (12.0, "12.0"), (1234.5, "1230")])
def test_numbers_have_three_digits(number_: tuple[float, str]) -> None:
    assert number(number_[0]) == number_[1]


@pytest.mark.parametrize(
    ("experiment", "name", "prepare"),
    [
        ("toy2d", "convergence", lambda config: write_training(config, FLOWS)),
        ("toy2d", "runtime", lambda config: write_training(config, FLOWS)),
        ("toy2d", "evaluations", lambda config: write_runs(config, "toy2d")),
        ("sigma", "sigma", lambda config: write_runs(config, "sigma", ((MOONS, "otcfm_sigma1", 1),))),
        ("objective", "objective", lambda config: write_runs(config, "objective")),
    ],
)
def test_the_same_numbers_give_the_same_bytes(
    config: Config, experiment: str, name: str, prepare: Callable[[Config], Any]
) -> None:
    prepare(config)
    paths = [config.layout.figure(experiment, name, None, suffix) for suffix in ("png", "pdf", "md")]
    written = []
    for _ in range(2):
        draw(config, experiment, name, None)
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert written[0][0][:4] == b"\x89PNG" and written[0][1][:4] == b"%PDF"
