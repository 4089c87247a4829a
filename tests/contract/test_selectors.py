"""Selectors and entries of one's own: what is named runs, what is added runs, and what is wrong is one line."""

import shutil
from pathlib import Path

import pytest

from cfm import config as configuration
from cfm.__main__ import main
from cfm.artifacts.groups import made_groups, write_groups
from cfm.artifacts.layout import METRICS, Layout
from cfm.cli.new_method import new_method, next_commands
from cfm.config import Config, Selection, entries
from cfm.config.seeds import counted, groups, spans
from cfm.errors import UserError
from cfm.results.figures.base import datasets_drawn, methods_shown
from cfm.workflow.left_out import more_lines

CELLS = """
  {name}:
    label: Mine
    family: branching
    cells: 60
    snapshots: 4
    left_out: [1, 2]
    experiments: [{experiments}]
"""
METHOD = """
methods:
  quiet:
    label: Quiet
    family: flow_matching
    coupling: independent
    path: linear
    sigma: 0.01
    experiments: [single_cell, toy2d]
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty config/mine beside a copy of the shipped files."""
    shutil.copytree("config", tmp_path / "config", ignore=shutil.ignore_patterns("mine"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(entries, "MINE", Path("config/mine"))
    (tmp_path / "config/mine").mkdir()
    return tmp_path / "config/mine"


def _load(budget: str = "quick", only: str = "", datasets: str = "", methods: str = "", seeds: str = "") -> Config:
    return configuration.load(budget, tuple(only.split()), Selection.parse(datasets, methods, seeds))


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("", (42, 43, 44)),
        (" \n", (42, 43, 44)),
        ("2", (42, 43)),
        ("3", (42, 43, 44)),
        ("5", (42, 43, 44, 45, 46)),
        ("42,", (42,)),
        ("7 8", (7, 8)),
        ("8,7", (8, 7)),
        ("0, 9", (0, 9)),
        ("1000,", (1000,)),
    ],
)
def test_seeds_are_a_count_or_a_list(text: str, seeds: tuple[int, ...]) -> None:
    chosen = Selection.parse(seeds=text)
    assert chosen.seeds_of((42, 43, 44)) == seeds
    assert Selection.parse(**chosen.text) == chosen


@pytest.mark.parametrize(
    "text",
    ["0", "-1", "-1,", "1.5", "1e3", "ten", "42,42", "042 42", "1001", "9999999999999999999999", "4 x", ",", "٣", "1;2",
     "$(id)", "`id`", "--help", "9223372036854775808,", "0x10", "1_0", " ".join(map(str, range(1001)))],
)  # fmt: skip
def test_other_seeds_are_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", f"--seeds={text}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: SEEDS: ") and error.count("\n") == 1 and len(error) < 400


def test_a_count_goes_on_after_the_experiments_own_seeds() -> None:
    assert counted((1, 5, 9), 5) == (1, 5, 9, 10, 11) and counted((), 2) == (0, 1)
    assert _load(only="couplings", seeds="10").experiments["couplings"].seeds == tuple(range(42, 52))


def test_seeds_in_words() -> None:
    assert spans([44, 42, 43]) == "42..44" and spans([42]) == "42..42" and spans([]) == ""
    assert spans([50, 42, 43, 7]) == "7, 42..43, 50"


CELL = [(42, 43, 44)]


@pytest.mark.parametrize(
    ("wanted", "made", "found"),
    [
        ([42, 43, 44], [], CELL),
        ([42], [], [(42,)]),
        (range(42, 52), [], [*CELL, (45, 46, 47), (48, 49, 50), (51,)]),
        ([42, 43, 44], [(42,)], [(42,), (43, 44)]),
        ([42], CELL, CELL),
        (range(42, 52), [*CELL, (45, 46)], [*CELL, (45, 46), (47, 48, 49), (50, 51)]),
        ([7, 8, 43], CELL, [(7, 8), *CELL]),
    ],
)
def test_groups_that_are_made_keep_their_boundaries(
    wanted: list[int], made: list[tuple[int, ...]], found: list[tuple[int, ...]]
) -> None:
    assert groups(CELL, 3, [*wanted], made) == found


def test_groups_are_remembered_while_there_is_something_of_them(tmp_path: Path) -> None:
    layout = Layout(str(tmp_path), "quick")

    def made() -> list[tuple[int, ...]]:
        return made_groups(layout, "toy", "moons", "mine", CELL, range(42, 60))

    def touch(seed: int) -> None:
        path = layout.run("toy", "moons", "mine", seed) / METRICS
        path.parent.mkdir(parents=True)
        path.touch()

    write_groups(layout, "toy", {"moons/mine": [(42,), (45, 46)]})
    assert made() == []
    touch(42)
    touch(46)
    assert made() == [(42,), (45, 46)]
    touch(50)  # by hand
    assert made() == [(42,), (45, 46), (50,)]
    write_groups(layout, "toy", {"moons/mine": [(43, 44)]})
    assert made() == [(42,), (45, 46), (50,)] and made_groups(layout, "toy", "moons", "other", CELL, [42]) == []
    layout.groups("toy").write_text('{"moons/mine": ["42"]}')
    with pytest.raises(UserError, match=r"\.seeds\.json: damaged"):
        made()


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"datasets": "gausian_moons"}, "DATASETS: unknown data set 'gausian_moons'; did you mean 'gaussian_moons'?"),
        ({"methods": "otcmf,icfm"}, "METHODS: unknown method 'otcmf'; did you mean 'otcfm'?"),
        (
            {"methods": "otcfm_resampled"},
            "METHODS: 'otcfm_resampled' takes part in couplings, which is not asked for: ",
        ),
        ({"only": "toy2d", "datasets": "emt"}, "DATASETS: 'emt' takes part in single_cell, "),
        ({"datasets": "emt_without_1", "methods": "realnvp"}, "no experiment has both one of DATASETS (emt_without_1)"),
        ({"datasets": ",,"}, "DATASETS: names are expected, separated by spaces or commas, got ',,'"),
        ({"methods": "$(id)"}, "METHODS: unknown method '$(id)'"),
        ({"only": "toy3d"}, "EXPERIMENTS: unknown experiment 'toy3d'; did you mean 'toy2d'?"),
    ],
)
def test_what_cannot_be_selected_is_one_line(selection: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as error:
        _load(**selection)
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_a_selection_that_cannot_run_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--experiments", "toy2d", "--datasets", "moons_8gaussians", "--methods", "fm"]) == 2
    assert capsys.readouterr().err == (
        "error: nothing to run: fm on moons_8gaussians: needs a standard normal source\n"
    )


def test_a_selection_restricts_all_enabled_experiments_and_leaves_others_out() -> None:
    config = _load(datasets="moons_8gaussians, embryoid_subset", methods="otcfm sbcfm")
    assert [*config.asked] == ["toy2d", "ot_batch", "objective", "single_cell"]
    assert config.asked["toy2d"].datasets == ("moons_8gaussians",)
    assert config.methods_of("toy2d") == ["otcfm", "sbcfm"] and config.methods_of("ot_batch") == ["otcfm"]
    assert config.asked["toy2d"].tables and not config.left_out


def test_who_is_named_takes_part_where_the_budget_leaves_it_out() -> None:
    config = _load(only="single_cell", datasets="branching", methods="regcnf")
    assert config.asked["single_cell"].datasets == tuple(f"branching_without_{k}" for k in (1, 2, 3))
    assert config.methods_of("single_cell") == ["regcnf"]
    whole = _load(only="likelihoods_real", datasets="digits")
    assert whole.asked["likelihoods_real"].datasets == ("digits",) and whole.asked["likelihoods_real"].tables
    assert "likelihoods_real" not in _load(methods="otcfm").asked  # the budget goes without it
    with pytest.raises(UserError, match="'digits' takes part in likelihoods_real, which is not asked for"):
        _load(datasets="digits")
    cell = configuration.load_cell("quick", "single_cell", "branching_without_1", "regcnf")
    cell.require("single_cell", "branching_without_1", "regcnf")


def test_a_teacher_comes_along() -> None:
    config = _load(only="toy2d", methods="rf3")
    assert config.methods_of("toy2d") == ["icfm", "rf2", "rf3"]
    assert [line for line in more_lines(config) if "comes along" in line] == [
        "icfm comes along: rf2 is trained from it",
        "rf2 comes along: rf3 is trained from it",
    ]


def test_what_is_left_out_is_said() -> None:
    lines = more_lines(_load())
    (cells,) = [line for line in lines if ": single_cell: " in line]
    assert cells.startswith("left out at 'quick': single_cell: methods regcnf, trajectorynet, sf2m, dsbm; data sets ")
    assert "embryoid, cite, multi, branching_without_1, branching_without_3" in cells
    assert any("single_cell_high: all data sets (" in line for line in lines) and "METHODS=" in lines[-1]
    assert more_lines(_load("paper")) == []
    assert not any("methods" in line for line in more_lines(_load(methods="otcfm"))[:-1])


def test_a_figure_shows_what_is_selected_where_none_of_its_own_is(mine: Path) -> None:
    (mine / "a.yaml").write_text(METHOD)
    config = _load(only="toy2d", methods="quiet identity", datasets="moons_8gaussians")
    for name in ("fields", "trajectories", "paths"):
        figure = config.asked["toy2d"].figures[name]
        assert methods_shown(config, "toy2d", figure, "moons_8gaussians") == ["quiet"]
        assert datasets_drawn(config, "toy2d", figure) == ["moons_8gaussians"]
    nothing = _load(only="toy2d", methods="identity")
    assert not any(datasets_drawn(nothing, "toy2d", f) for f in nothing.asked["toy2d"].figures.values())


@pytest.mark.parametrize("budget", configuration.BUDGETS)
def test_ones_own_entries_take_part_at_every_budget(mine: Path, budget: str) -> None:
    (mine / "cells.yaml").write_text("datasets:" + CELLS.format(name="my_cells", experiments="single_cell"))
    (mine / "method.yaml").write_text(METHOD)
    config = _load(budget)
    assert config.asked["single_cell"].datasets[-2:] == ("my_cells_without_1", "my_cells_without_2")
    assert "quiet" in config.methods_of("single_cell") and "quiet" in config.methods_of("toy2d")
    assert ("my_cells_without_1", "quiet") in config.pairs("single_cell")
    assert config.solvers("toy2d", "quiet")["rk4"].points == "all"  # the large test set is for it too
    assert "quiet" in methods_shown(config, "toy2d", config.asked["toy2d"].figures["evaluations"])
    chosen = _load(budget, datasets="my_cells", methods="quiet")
    assert [*chosen.asked] == ["single_cell"] and len(chosen.asked["single_cell"].datasets) == 2


def test_an_entry_of_the_shipped_file_takes_part_too_also_alone(mine: Path) -> None:
    """`datasets: []` in the budget: the experiment runs with what is added, and has its tables and figures."""
    path = mine.parent / "datasets.yaml"
    path.write_text(path.read_text() + CELLS.replace("\n  ", "\n").format(name="extra", experiments="single_cell_high"))
    settings = _load().asked["single_cell_high"]
    assert settings.datasets == ("extra_without_1", "extra_without_2") and settings.tables
    assert not _load().asked["single_cell_observed"].tables


WRONG = [
    ("a.yaml", "dataset: {}", r"config/mine/a.yaml: unknown key 'dataset'; did you mean 'datasets'\?"),
    ("a.yaml", "methods: [quiet]", "config/mine/a.yaml: methods: a mapping of names to entries is expected"),
    ("a.yaml", "- 1", "config/mine/a.yaml: a mapping of keys to values is expected"),
    ("a.yaml", METHOD.replace("sigma", "sigm"), "config/mine/a.yaml: methods.quiet: unknown key 'sigm'"),
    ("a.yaml", METHOD.replace("toy2d", "toy3d"), "methods.quiet.experiments: unknown experiment 'toy3d'; did you"),
    ("a.yaml", METHOD.replace("quiet:", "otcfm:"), "methods: there is 'otcfm' already, in config/methods.yaml"),
    ("a.yaml", METHOD.replace("quiet:", "Quiet:"), "config/mine/a.yaml: methods: 'Quiet' is no name"),
    ("a.yml", METHOD, "config/mine/a.yml: is not read: name it a.yaml"),
    ("a.YAML", METHOD, "config/mine/a.YAML: is not read: name it a.yaml"),
    ("a.yaml", METHOD.replace("0.01", "-1"), "quiet.sigma: a standard deviation is 0 or more, got -1"),
    ("a.yaml", METHOD.replace("Quiet", "OT-CFM"), "quiet.label: 'OT-CFM' is that of otcfm"),
    ("a.yaml", "datasets:" + CELLS.format(name="embryoid", experiments=""), "'embryoid' already, in config/datasets"),
    ("a.yaml", "datasets:" + CELLS.format(name="x", experiments="toy2d"),
     "config/mine/a.yaml: datasets.x.experiments: 'toy2d' has 'sizes', and 'x_without_1' its own number of points"),
    ("a.yaml", "datasets:" + CELLS.format(name="x", experiments="taxonomy"), "nothing is trained or measured in 'tax"),
    ("a.yaml", "datasets:" + CELLS.format(name="x", experiments="single_cel"), "unknown experiment 'single_cel'; did"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "text", "message"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_in_ones_own_file_is_one_line_that_names_it(
    mine: Path, file: str, text: str, message: str
) -> None:
    (mine / file).write_text(text)
    with pytest.raises(UserError, match=message) as error:
        _load()
    assert "config/mine/" in str(error.value) and "\n" not in str(error.value)


def test_a_name_in_two_files_of_ones_own_names_both(mine: Path) -> None:
    for name in ("b", "a"):
        (mine / f"{name}.yaml").write_text(METHOD)
    with pytest.raises(UserError, match=r"mine/b.yaml: methods: there is 'quiet' already, in config/mine/a.yaml"):
        _load()


@pytest.mark.parametrize("seeds", [["-1"], ["42", "42"], ["9223372036854775808"]])
def test_a_cell_takes_any_seeds_that_are_some(seeds: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--experiment", "toy2d", "--dataset", "gaussian_moons", "--method", "icfm"]
    assert main(["train", *where, "--seeds", *seeds]) == 2
    assert capsys.readouterr().err.startswith("error: --seeds: different whole numbers, 0 or more, are expected")


@pytest.mark.parametrize(
    ("experiment", "other", "dataset"),
    [("toy2d", "otcfm", "gaussian_8gaussians"), ("digits", "otcfm_pictures", "digits_pictures")],
)
def test_a_new_method_ends_with_the_cheapest_command(experiment: str, other: str, dataset: str) -> None:
    lines = next_commands(_load(only=experiment), "my_idea", experiment)
    where = f"make reproduce EXPERIMENTS={experiment} METHODS"
    assert lines[-1] == f"run it: {where}=my_idea DATASETS={dataset} SEEDS=1"
    assert f'compare: {where}="my_idea {other}" DATASETS={dataset} SEEDS=10' in lines


@pytest.mark.parametrize(("experiment", "rule"), [("objective", False), ("taxonomy", False), ("digits", True)])
def test_a_new_method_that_would_not_run_there_is_not_written(mine: Path, experiment: str, rule: bool) -> None:
    with pytest.raises(UserError, match=f"^--(experiment|rule): .*'{experiment}'") as error:
        new_method(_load(only=experiment), "my_idea", experiment, rule)
    assert "\n" not in str(error.value) and not [*mine.iterdir()] and not Path("cfm").exists()
