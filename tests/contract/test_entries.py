"""One entry makes a data set for every left-out time; what is not there is skipped, and named with the reason."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from cfm import config as configuration
from cfm.artifacts.runs import COLUMNS
from cfm.cli import commands
from cfm.cli.plan import announce
from cfm.cli.reference import _known
from cfm.cli.status import print_status
from cfm.config.config import has_gpu
from cfm.config.entries import by_name, load_datasets
from cfm.errors import UserError
from cfm.files import write_text
from cfm.workflow.status import absent_files, described, run_states, skipped_lines

# Needs no data but its own, and is trained on nothing: what an experiment needs besides data sets is another matter.
EXPERIMENT = """
title: Cells
datasets: [branching, absent]
seeds: [42]
train: {width: 8, depth: 2, batch_size: 8, steps: 10, learning_rate: 0.001, weight_decay: 0.0, validate_every: 5}
solvers: {euler: {scheme: euler, steps: 5}}
metrics: [w2]
tables:
  cells: {kind: comparison, solver: euler, metrics: {w2: W2}, caption: Cells.}
"""
ABSENT = """
absent:
  label: Absent
  paper: EB
  family: snapshots
  file: nowhere.npz
  sha256: abc
  url: http://127.0.0.1:1/nowhere.npz
  matrix: pcs
  labels: t
  dims: 2
  snapshots: 4
  left_out: [1, 2]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of config/ with an experiment whose data are there in part."""
    shutil.copytree("config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CFM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "config/experiments/cells.yaml").write_text(EXPERIMENT)
    _append(tmp_path / "config/datasets.yaml", ABSENT)
    methods = tmp_path / "config/methods.yaml"
    methods.write_text(methods.read_text().replace("experiments: [", "experiments: [cells, "))
    return tmp_path / "config"


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_one_entry_makes_a_data_set_for_every_left_out_time() -> None:
    datasets = load_datasets()
    made = [name for name in datasets if name.startswith("embryoid_without")]
    assert made == ["embryoid_without_1", "embryoid_without_2", "embryoid_without_3"]
    assert "embryoid" not in datasets and by_name(datasets)["embryoid"] == made
    one = datasets["embryoid_without_2"]
    assert (one.group, one.group_label, one.entry.label, one.entry.paper) == (
        "embryoid",
        "EB",
        "EB, t=2 left out",
        "EB",
    )
    assert [datasets[f"cite_without_{k}"].dataset.left_out for k in (1, 2)] == [1, 2]  # type: ignore[attr-defined]
    toy = datasets["gaussian_moons"]
    assert toy.group is None and by_name(datasets)["gaussian_moons"] == ["gaussian_moons"]


def test_the_papers_data_are_whitened_and_five_dimensional_and_only_they_have_its_names() -> None:
    datasets = load_datasets()
    named = {d.group: d for d in datasets.values() if d.group and d.entry.paper and d.dataset.time_course}
    assert {name: d.entry.paper for name, d in named.items()} == {"embryoid": "EB", "cite": "Cite", "multi": "Multi"}
    for dataset in named.values():
        settings = dataset.dataset
        assert (settings.dim, settings.whiten) == (5, "all")  # type: ignore[attr-defined]
        assert settings.sha256 and settings.url and dataset.entry.licence and dataset.entry.citation  # type: ignore[attr-defined]


def test_an_attribute_must_be_fit_for_a_name(folder: Path) -> None:
    _replace(folder / "datasets.yaml", "[5_o_Clock_Shadow,", "[up/down,")
    with pytest.raises(UserError, match=r"datasets.yaml: celeba: makes 'celeba_up/down', which is no name"):
        load_datasets()


def test_an_experiment_names_a_group_or_its_members(folder: Path) -> None:
    _replace(folder / "experiments/cells.yaml", "[branching, absent]", "[branching_without_2, branching]")
    config = configuration.load("quick", ("cells",))
    assert config.experiments["cells"].datasets == ("branching_without_2", "branching_without_1", "branching_without_3")
    _replace(folder / "experiments/cells.yaml", "[branching_without_2, branching]", "[branchin]")
    with pytest.raises(UserError, match=r"cells.yaml: datasets: unknown data set 'branchin'; did you mean 'branching'"):
        configuration.load("quick", ("cells",))


def test_one_left_out_time_needs_no_list(folder: Path) -> None:
    _replace(folder / "datasets.yaml", "snapshots: 4\n  left_out: [1, 2]", "snapshots: 4\n  left_out: 2")
    absent = load_datasets()["absent"]
    assert absent.group is None and absent.entry.label == "Absent"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[0, 1]", r"absent: left_out: 0 is not between the first time, 0, and the last, 3"),
        ("[1, 3]", r"absent: left_out: 3 is not between"),
        ("7", r"absent: left_out: 7 is not between"),
        ("-1", r"absent: left_out: -1 is not between"),
        ("[]", r"absent.left_out: one or more different values are expected, got \[\]"),
        ("[1, 1]", r"absent.left_out: one or more different values are expected"),
        ("[one]", r"absent.left_out: a whole number is expected, got 'one'"),
        (
            "[1]\nabsent_without_1: {label: a, family: branching, cells: 20, snapshots: 3, left_out: 1}",
            r"absent_without_1: makes 'absent_without_1', which there is already",
        ),
    ],
)
def test_a_wrong_left_out_time_is_said_in_one_line(folder: Path, value: str, message: str) -> None:
    path = folder / "datasets.yaml"
    text = path.read_text().rstrip()
    assert text.endswith("left_out: [1, 2]")
    path.write_text(text.removesuffix("[1, 2]") + value + "\n")
    with pytest.raises(UserError, match=rf"datasets.yaml: {message}") as error:
        configuration.load("quick")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "seeds: [42]",
            "seeds: [42]\nsizes: {train: 1, val: 1, test: 1, test_large: 1}",
            "sizes: 'branching_without_1' has",
        ),
        ("[branching, absent]", "[gaussian_moons]", "key 'sizes' is missing: 'gaussian_moons' is drawn"),
    ],
)
def test_sizes_are_for_data_that_are_drawn(folder: Path, old: str, new: str, message: str) -> None:
    _replace(folder / "experiments/cells.yaml", old, new)
    with pytest.raises(UserError, match=rf"cells.yaml: {message}"):
        configuration.load("quick", ("cells",))


def test_what_is_not_there_is_skipped_and_the_rest_remains(folder: Path) -> None:
    config = configuration.load("quick", ("cells",))
    branching = ("branching_without_1", "branching_without_2", "branching_without_3")
    assert config.experiments["cells"].datasets == branching and config.experiments["cells"].tables
    skipped = config.unavailable_reasons("cells")
    assert [*skipped] == ["absent_without_1", "absent_without_2"]
    for part in ("nowhere.npz", "sha256 abc", "http://127.0.0.1:1/nowhere.npz", str(folder.parent / "cache")):
        assert all(part in reason for reason in skipped.values())
    assert {dataset for dataset, _, _ in config.runs("cells")} == set(branching)
    assert {state.dataset for state in run_states(config)} == set(branching)
    with pytest.raises(UserError, match=r"absent_without_1: nowhere.npz .* is not there"):
        config.require("cells", "absent_without_1")
    assert configuration.load("quick").unavailable_reasons("toy2d") == {}


def test_an_experiment_may_lose_all_its_data(folder: Path) -> None:
    """It has nothing to show then, and nothing is asked for."""
    _replace(folder / "experiments/cells.yaml", "[branching, absent]", "[absent]")
    config = configuration.load("quick", ("cells", "taxonomy"))
    lost = config.experiments["cells"]
    assert (lost.datasets, lost.tables, lost.figures) == ((), {}, {})
    assert config.runs("cells") == {} and len(config.unavailable_reasons("cells")) == 2
    assert config.experiments["taxonomy"].tables  # it never had data


def test_what_needs_a_gpu_is_skipped_where_there_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But not where jobs run elsewhere, on machines that have one."""
    cells = folder / "experiments/cells.yaml"
    cells.write_text(cells.read_text() + "\ngpu: true\n")
    monkeypatch.setattr("cfm.config.loader.has_gpu", lambda main: False)
    config = configuration.load("quick", ("cells", "taxonomy"))
    assert config.experiments["cells"].datasets == () and config.experiments["taxonomy"].tables
    assert len(config.unavailable_reasons("cells")) == 5
    assert "skipped: cells/branching: needs a GPU" in "\n".join(skipped_lines(config))
    with pytest.raises(UserError, match="branching_without_1: needs a GPU"):
        config.require("cells", "branching_without_1")
    main = dataclasses.replace(config.main, device="cuda")
    assert has_gpu(main) and not has_gpu(dataclasses.replace(main, device="cpu"))


def test_what_a_budget_leaves_out_runs_when_it_is_named(folder: Path) -> None:
    _replace(folder / "config.yaml", "experiments: [taxonomy, ", "experiments: [taxonomy, cells, ")
    _replace(folder / "experiments/cells.yaml", "[branching, absent]", "[branching, absent]\non_request: true")
    config = configuration.load("quick")
    assert config.experiments["cells"].datasets == () and config.experiments["taxonomy"].tables
    assert not [name for name in config.unavailable if name.startswith("absent")]  # nothing is downloaded for it
    (line,) = [line for line in skipped_lines(config) if "branching" in line]
    assert line.endswith("only when named: `make reproduce BUDGET=quick EXPERIMENTS=cells`")
    assert configuration.load("quick", ("cells",)).experiments["cells"].datasets


def test_kept_runs_are_checked_whether_their_data_are_there_or_not(folder: Path) -> None:
    config = configuration.load("quick", ("cells",))
    whole = config.whole()
    assert len(whole.experiments["cells"].datasets) == 5 and whole.unavailable_reasons("cells") == {}
    assert whole.spec("train", "cells", "absent_without_1", "icfm") == config.spec(
        "train", "cells", "absent_without_1", "icfm"
    )


def test_kept_runs_of_data_that_are_not_there_stay_in_the_tables(folder: Path) -> None:
    config = configuration.load("quick", ("cells",))
    there = dataclasses.replace(config.whole(), main=dataclasses.replace(config.main, results="kept"))
    present = config.experiments["cells"].datasets
    assert _known(config, there, "cells").datasets == present
    row = "absent_without_2,icfm,42,euler,5,w2,1.0,1,ok,"
    write_text(there.layout.runs("cells"), f"{','.join(COLUMNS)}\n{row}\n")
    assert _known(config, there, "cells").datasets == (*present, "absent_without_2")


def test_a_file_that_comes_is_no_longer_skipped(folder: Path) -> None:
    (folder.parent / "cache").mkdir()
    np.savez(folder.parent / "cache/nowhere.npz", a=1)
    assert configuration.load("quick", ("cells",)).unavailable_reasons("cells") == {}


def test_every_command_says_what_is_skipped_and_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line per file: three left-out times do not say it three times."""
    config = configuration.load("quick", ("cells",))
    (line,) = skipped_lines(config)
    assert line.startswith("skipped: cells/absent: nowhere.npz (sha256 abc) is not there")
    print_status(config)
    assert line in capsys.readouterr().out
    announce(config, run_states(config))
    assert line in capsys.readouterr().out
    commands.list_("quick")
    listed = capsys.readouterr().out
    assert "  absent                     Absent: absent_without_1, absent_without_2\n" in listed
    assert "  absent                     nowhere.npz (sha256 abc) is not there" in listed
    assert commands.fetch("quick", "cells") == 1
    said = capsys.readouterr()
    assert line in said.out and "warning: nowhere.npz: not downloaded from http://127.0.0.1:1/" in said.err
    assert commands.fetch("quick", "toy2d") == 0
    assert capsys.readouterr().out == "every file that the experiments read is there\n"


def test_data_sets_are_described_in_the_order_of_the_file() -> None:
    config = configuration.load("quick")
    found = described(config)
    assert [*found][:5] == ["gaussian_8gaussians", "moons_8gaussians", "gaussian_moons", "gaussian_scurve", "embryoid"]
    assert found["gaussian_moons"] == "N → moons" and found["cite"] == "Cite: cite_without_1, cite_without_2"
    assert "branching" not in absent_files(config.datasets)


def test_an_entry_of_cells_needs_neither_a_count_nor_a_left_out_time_and_no_file_to_be_checked(folder: Path) -> None:
    path = folder / "datasets.yaml"
    whole = path.read_text().rstrip().removesuffix("snapshots: 4\n  left_out: [1, 2]")
    for keys in ("", "left_out:", "times: [control, treated]", "times: {a: 0, b: 2.5}\n  spacing: observed"):
        path.write_text(whole + keys + "\n")
        absent = configuration.load("quick", ("cells",)).datasets["absent"]
        assert (absent.entry.label, absent.group) == ("Absent", None)
        assert absent.dataset.left_out is None  # type: ignore[attr-defined]
    path.write_text(whole + "left_out: [1, 2, 9]\n")
    assert "absent_without_9" in load_datasets()  # the file will say
    path.write_text(whole + "left_out: [0, 1]\n")
    with pytest.raises(UserError, match=r"absent: left_out: 0: the first time, 0, and the last are needed"):
        load_datasets()
