"""The committed reference runs: trained with the settings that config/ has, every value traced to its run."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cfm import config as configuration
from cfm.__main__ import main
from cfm.artifacts.runs import read_runs
from cfm.cli.pictures import figures_of_runs
from cfm.cli.reference import FOLDER, _given, _stored, kept, settings_digest
from cfm.files import write_json
from cfm.results.report.origin import Origin, origin
from cfm.results.tables.base import markdown, render

KEPT = sorted(path for path in FOLDER.glob("*/*/provenance.json") if (path.parent / "runs.csv").exists())


@pytest.mark.parametrize("path", KEPT, ids=[str(path.parent) for path in KEPT])
def test_kept_runs_have_todays_settings_and_their_provenance(path: Path) -> None:
    budget, experiment = path.parts[-3:-1]
    config = configuration.load(budget, (experiment,)).whole()
    provenance = json.loads(path.read_text())
    runs = read_runs(path.parent / "runs.csv")
    named = set(runs.dataset + "/" + runs.method + "/seed=" + runs.seed.astype(str))
    assert named and named <= set(provenance["runs"])
    for dataset, method in set(zip(runs.dataset, runs.method, strict=True)):
        expected = settings_digest(config, experiment, dataset, method)
        for seed in config.experiments[experiment].seeds:
            run = provenance["runs"].get(f"{dataset}/{method}/seed={seed}")
            assert run is None or (run["spec"] == expected and all(run["commit"].values())), (dataset, method, seed)


def test_there_is_a_reference_run_of_every_enabled_experiment() -> None:
    config = configuration.load("quick").whole()
    expected = {name for name, experiment in config.experiments.items() if experiment.datasets}
    assert {path.parts[-2] for path in KEPT if path.parts[-3] == "quick"} == expected


def test_settings_that_are_not_given_do_not_count() -> None:
    """A hyper-parameter that a family gains later leaves the runs that never had it as they are."""
    assert _given({"a": None, "b": {"c": 1, "d": None}, "e": [None]}) == {"b": {"c": 1}, "e": [None]}


@pytest.mark.parametrize("path", KEPT, ids=[str(path.parent) for path in KEPT])
def test_kept_tables_are_what_the_code_makes_of_the_kept_runs(path: Path) -> None:
    """Data that are on this machine only would add columns: then there is nothing to compare."""
    budget, experiment = path.parts[-3:-1]
    config = kept(configuration.load(budget, (experiment,)))
    for name, table in config.experiments[experiment].tables.items():
        rendered = render(config, experiment, table)
        stored = config.layout.table(experiment, name, "md").read_text()
        header = next(line for line in stored.splitlines() if line.startswith("| "))
        if len(rendered.grids[0].columns) > header.count(" | ") + 1:
            pytest.skip("other data sets are on this machine")
        assert markdown(table, rendered) == stored, "run `python -m cfm reference`"


def _origin_of(folder: Path, stored: object) -> Origin | None:
    config = configuration.load("quick", ("toy2d",))
    config = replace(config, main=replace(config.main, results=str(folder)))
    write_json(config.layout.kept_provenance("toy2d"), stored)
    return origin(config, "toy2d")


def test_provenance_of_other_times_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Files that were written before some fact was kept, of no runs, or of an experiment that only has tables."""
    whole = json.loads(next(path for path in KEPT if path.parts[-2] == "toy2d").read_text())
    read = _origin_of(tmp_path, whole)
    assert read is not None and read.runs == len(whole["runs"]) and read.machines and read.packages
    run = {name: {} for name in [*whole["runs"]][:2]}
    bare = _origin_of(tmp_path, {"runs": run})
    assert bare is not None and (bare.runs, bare.first, bare.commits, bare.machines) == (2, "unknown", [], [])
    odd = _origin_of(tmp_path, {"runs": run, "facts": {"machine": [{"system": "Linux"}, {}]}})
    assert odd is not None and odd.machines == ["Linux", "unknown"]
    assert _origin_of(tmp_path, {"budget": "quick", "runs": {}, "stages": {}}) is None
    older = tmp_path / "older.json"
    write_json(older, {"budget": "quick", "runs": {"a": 1}})
    assert _stored(older) == {"budget": "quick", "runs": {"a": 1}, "facts": {}}
    assert _stored(tmp_path / "none.json") == {"runs": {}, "facts": {}}


@pytest.mark.parametrize("budget", sorted(path.name for path in FOLDER.iterdir() if (path / "claims.md").exists()))
def test_the_report_of_what_is_kept_is_complete(
    budget: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures of runs.csv are drawn, beside what is kept; of the others a line says how to get them."""
    for folder in ("config", "workflow", str(FOLDER)):
        shutil.copytree(folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    before = _files()
    config = kept(configuration.load(budget))
    assert main(["report", "--budget", budget, "--reference"]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert _files() == before and not page.is_relative_to(FOLDER)
    present = [name for name in config.experiments if config.layout.runs(name).exists()]
    drawn = [f"{name}/figures/{figure}.png" for name in present for figure in figures_of_runs(config, name)]
    text = page.read_text(encoding="utf-8")
    assert drawn and all(f'href="{path}"' in text and (page.parent / path).exists() for path in drawn)
    command = f"<code>make reproduce BUDGET={budget} EXPERIMENTS=toy2d</code> draws it"
    assert f"is drawn from samples, which the repository does not keep: {command}" in " ".join(text.split())


def _files() -> dict[str, float]:
    return {str(path): path.stat().st_mtime for path in FOLDER.rglob("*")}


def test_of_a_budget_that_is_not_kept_there_is_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("config", "workflow"):
        shutil.copytree(folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    assert main(["report", "--budget", "smoke", "--reference"]) == 2
    assert "results/reference/smoke: missing; no runs of this budget are kept" in capsys.readouterr().err
