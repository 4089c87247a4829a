"""What is published is compared with ours only where nothing is known to be measured otherwise."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from cfm import config as configuration
from cfm.artifacts.runs import COLUMNS, write_runs
from cfm.config import Config
from cfm.results.protocol import as_published, below_floor, differences, floor
from cfm.results.tables import comparison
from cfm.results.tables.base import Rendered, render

DATASET = "moons_8gaussians"
VALUES = {"otcfm": 1.9, "icfm": 2.1, "icnn": 2.0, "identity": 5.0, "oracle": 1.0}


def _config(budget: str, folder: Path) -> Config:
    loaded = configuration.load(budget, ("toy2d",))
    toy = replace(loaded.experiments["toy2d"], datasets=(DATASET,), seeds=(42, 43, 44))
    return replace(
        loaded,
        main=replace(loaded.main, results=str(folder)),
        experiments={"toy2d": toy},
        asked={"toy2d": toy},
    )


def _table(config: Config, values: dict[str, float], name: str = "table2", **runs: list[int]) -> Rendered:
    """A table of toy2d, of runs that scatter by a hundredth; `runs`: of some methods fewer seeds than three."""
    rows = [
        dict(zip(COLUMNS, (DATASET, method, seed, "rk4", 400, metric, value + 0.01 * k, "", "ok", ""), strict=True))
        for method, value in values.items()
        for k, seed in enumerate(runs.get(method, [42, 43, 44]))
        for metric in ("w2", "npe", "w2_large", "npe_large")
    ]
    write_runs(config.layout.runs("toy2d"), rows)
    return render(config, "toy2d", config.experiments["toy2d"].tables[name])


def _cells(rendered: Rendered, metric: str = "w2") -> dict[str, dict[str, str]]:
    rows = csv.DictReader(io.StringIO(rendered.csv))
    return {row["method"]: row for row in rows if row["metric"] == metric and row["dataset"] == DATASET}


def test_at_the_published_settings_there_are_signs(tmp_path: Path) -> None:
    rendered = _table(_config("paper", tmp_path), VALUES)
    cells = _cells(rendered)
    assert cells["otcfm"]["verdict"].startswith("agrees") and float(cells["otcfm"]["deviations"]) < 3
    shown = str(rendered.grids[0].rows)
    assert "✓" in shown and "[a]" not in shown
    assert any(note.startswith("✓ / ✗") for note in rendered.footnotes)


def test_of_another_training_or_size_there_is_none_and_the_note_says_why(tmp_path: Path) -> None:
    """The verdict in the csv too; how far apart the numbers are is still there."""
    rendered = _table(_config("quick", tmp_path), VALUES)
    cells = _cells(rendered)
    expected = "batch size 256 instead of 512, steps 5,000 instead of 20,000"
    assert cells["otcfm"]["verdict"] == f"not comparable ({expected})" and float(cells["otcfm"]["deviations"]) < 3
    assert "learning rate 0.0002 instead of 0.0001" in cells["icnn"]["verdict"]
    grid = {row[0]: row[1] for row in rendered.grids[0].rows}
    assert "✓" not in str(rendered.grids) and "✗" not in str(rendered.grids)
    assert grid["OT-CFM"].endswith(" [a]") or grid["OT-CFM"].endswith(" [b]")
    assert grid["OT-CFM"][-3:] == grid["I-CFM"][-3:] != grid["ICNN"][-3:]
    note = next(note for note in rendered.footnotes if expected in note)
    assert note.startswith(grid["OT-CFM"][-3:]) and not any(n.startswith("✓ / ✗") for n in rendered.footnotes)


def test_every_difference_that_config_knows_is_one(tmp_path: Path) -> None:
    config = _config("paper", tmp_path)
    published, toy = as_published(config, "toy2d"), config.experiments["toy2d"]
    assert toy.sizes is not None and toy.train is not None
    table = toy.tables["table2"]

    def found(method: str = "otcfm", metric: str = "w2", plain: bool = True, **changed: object) -> list[str]:
        these = replace(config, experiments={"toy2d": replace(toy, **changed)})  # type: ignore[arg-type]
        mine = table if plain else replace(table, differs="other data")
        return differences(these, published, "toy2d", mine, method, metric)

    assert found() == [] and found(seeds=(1,)) == []
    sizes = replace(toy.sizes, test=500)
    assert found(sizes=sizes) == ["points: test 500 instead of 1,000"] == found("identity", sizes=sizes)
    assert found(metric="w2_large", sizes=sizes) == []
    assert found(metric="w2_large", sizes=replace(toy.sizes, test_large=9)) == ["points: test 9 instead of 10,000"]
    fewer = replace(toy.sizes, train=7)
    assert found(sizes=fewer) == ["points: train 7 instead of 10,000"] and found("oracle", sizes=fewer) == []
    coarser = {**toy.solvers, "rk4": replace(toy.solvers["rk4"], steps=10, points="test")}
    assert found(solvers=coarser) == ["solver: steps 10 instead of 100"]
    shorter = replace(toy.train, steps=9)
    assert found(train=shorter) == ["steps 9 instead of 20,000"] and found("identity", train=shorter) == []
    own = {**toy.train_of, "rf2": toy.train}
    assert found("rf2", train=shorter, train_of=own) == ["icfm: steps 9 instead of 20,000"]  # its teacher
    assert found(plain=False, train=shorter) == ["other data", "steps 9 instead of 20,000"]


@pytest.mark.parametrize(("oracle", "comparable"), [(1.0, True), (1.95, False)])
def test_what_fresh_samples_do_not_reach_cannot_be_compared(tmp_path: Path, oracle: float, comparable: bool) -> None:
    """Where the control lies well above the published mean (1.923), that was measured on more points."""
    values = {**VALUES, "oracle": oracle, "otcfm": max(oracle, 1.9), "icfm": 2.1}
    verdict = _cells(_table(_config("paper", tmp_path), {**values, "oracle": oracle}))["otcfm"]["verdict"]
    assert verdict.startswith("agrees") == comparable
    assert ("fresh samples of the target" in verdict) == (not comparable)


def test_a_control_that_trained_methods_beat_is_no_floor(tmp_path: Path) -> None:
    config = _config("paper", tmp_path)
    _table(config, VALUES)
    runs = comparison.read_runs(config.layout.runs("toy2d"))
    (shown,) = comparison.columns(config, "toy2d")
    methods = config.methods_of("toy2d")
    found = floor(config, runs, shown, "w2", methods)
    assert found is not None and found[0] == pytest.approx(1.01) and found[1] == pytest.approx(0.01)
    assert below_floor(0.97, found) and not below_floor(0.99, found) and not below_floor(0.0, None)
    worse = runs.assign(value=runs.value.where(runs.method != "oracle", runs.value + 3))  # as its path error is
    assert floor(config, worse, shown, "w2", methods) is None
    assert floor(config, runs, shown, "path_energy", methods) is None
    alone = runs[(runs.method != "oracle") | (runs.seed == 42)]
    assert floor(config, alone, shown, "w2", methods) is None


def test_a_table_may_say_what_config_cannot(tmp_path: Path) -> None:
    rendered = _table(_config("paper", tmp_path), VALUES, "table2_large")
    assert "10,000 validation points" in _cells(rendered, "w2_large")["otcfm"]["verdict"]
    assert "✓" not in str(rendered.grids) and "✗" not in str(rendered.grids)


def test_bold_says_what_it_can_tell_and_of_whom(tmp_path: Path) -> None:
    """A method of one seed may be lower than what is bold: the note names it."""
    rendered = _table(_config("paper", tmp_path), {**VALUES, "icnn": 0.5}, icnn=[42])
    best = {method for method, cell in _cells(rendered).items() if cell["best"] == "True"}
    assert best == {"otcfm"}
    notes = "\n".join(rendered.footnotes)
    assert "Not tested where fewer than two seeds are shared with the best, so never bold there: ICNN." in notes
    assert "2.3 with 3 seeds" in notes
    single = _table(_config("paper", tmp_path), VALUES, **{method: [42] for method in VALUES})
    assert "Nothing is bold: no trained method has two seeds" in "\n".join(single.footnotes)
    assert "**" not in str(single.grids)


def test_what_has_no_direction_is_never_bold(tmp_path: Path) -> None:
    """Log Z is an estimate, not a score: the larger one is not the better one."""
    loaded = configuration.load("quick", ("unnormalised",))
    config = replace(loaded, main=replace(loaded.main, results=str(tmp_path)))
    experiment = config.experiments["unnormalised"]
    name = next(name for name, table in experiment.tables.items() if "log_z" in table.metrics)
    solver = experiment.tables[name].solver
    rows = [
        {**dict.fromkeys(COLUMNS, ""), "dataset": d, "method": m, "seed": s, "solver": solver, "nfe": 1}
        | {"metric": "log_z", "value": v + 0.01 * s, "status": "ok"}
        for d in experiment.datasets
        for m, v in (("icfm", -1.0), ("otcfm", 2.0))
        for s in (42, 43, 44)
    ]
    write_runs(config.layout.runs("unnormalised"), rows)
    grid = render(config, "unnormalised", experiment.tables[name]).grids[0]
    assert grid.title == "estimate of log Z (log_z, nats; neither higher nor lower is better)"
    assert "**" not in str(grid.rows)


def test_a_metric_that_cannot_apply_is_a_dash_before_anything_is_run_there() -> None:
    """Where a method has no runs, its runs elsewhere tell, and those of others here."""
    config = configuration.load("quick", ("unnormalised",)).whole()
    found = {column.name: column for column in comparison.columns(config, "unnormalised")}
    funnel, mixture = (found[name] for name in [*found][:2])
    values = [(funnel, "icfm", "log_z"), (funnel, "oracle", "w2"), (mixture, "icfm", "w2"), (mixture, "otcfm", "w2")]
    runs = pd.DataFrame(
        [{"dataset": c.name, "method": m, "seed": 42, "metric": k, "value": 1.0, "status": "ok"} for c, m, k in values]
    )
    table = replace(config.experiments["unnormalised"].tables["tabled2_adaptive"], metrics={"log_z": "", "w2": ""})

    def verdict(method: str, column: comparison.Column, metric: str) -> str:
        return comparison._cell(config, table, runs, {}, method, column, metric).verdict

    assert verdict("oracle", mixture, "log_z") == "not applicable"  # on the funnel others have it, and it never has
    assert verdict("identity", mixture, "log_z") == "not applicable"  # who has it on the funnel, has it not here
    assert verdict("otcfm", funnel, "log_z") == "not measured"
    assert verdict("identity", mixture, "w2") == "not measured"
