"""The committed reference runs: trained with the settings that config/ has, every value traced to its run."""

import json
from pathlib import Path

import pytest

from cfm import config as configuration
from cfm.artifacts.runs import read_runs
from cfm.cli.reference import FOLDER, _given, kept, settings_digest
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
