"""What each verb of the command line does: load the configuration, call the stage."""

from __future__ import annotations

import json
import sys

from cfm import config as configuration
from cfm.config import Config, Selection
from cfm.config.loader import ALL
from cfm.config.selection import names
from cfm.config.strict import Where, check_name
from cfm.errors import UserError
from cfm.metrics import METRICS


def check(budget: str) -> None:
    _check(budget, "", ALL)


def schema(budget: str) -> None:
    from cfm.config.schema import schema as describe

    print(json.dumps(describe(), indent=1, sort_keys=True))


def list_(budget: str) -> None:
    from cfm.workflow.status import absent_files, described

    config = configuration.load(budget)
    for title, named in (
        ("experiments", {name: e.title for name, e in config.experiments.items()}),
        ("data sets", described(config)),
        ("data sets that are not here", absent_files(config.datasets)),
        ("methods", {name: m.entry.label for name, m in config.methods.items()}),
        ("metrics", {name: f"{m.label}: {m.unit}, {m.direction}" for name, m in METRICS.items()}),
    ):
        if named:
            print(f"{title}:")
        for name, text in named.items():
            print(f"  {name:26s} {text}")


def new_method(budget: str, name: str, experiment: str, rule: bool) -> None:
    from cfm.cli.new_method import new_method as write
    from cfm.cli.new_method import next_commands

    config = _one(budget, experiment, ALL)
    print(f"written: {', '.join(map(str, write(config, name, experiment, rule)))}")
    print("\n".join(next_commands(config, name, experiment)))


def check_method(budget: str, name: str) -> int:
    from cfm.cli.check_method import check_method as run

    return run(budget, name)


def collect(budget: str, experiment: str, selection: Selection = ALL) -> None:
    from cfm.stages.collect import collect as run
    from cfm.workflow.finished import finished, joined

    config = _one(budget, experiment, selection)
    before = finished(config, experiment)
    missing = run(joined(config, {experiment: before}), experiment)
    if missing:
        print(f"{experiment}: {missing} runs are not finished and not in {config.layout.runs(experiment)}")
    if line := before.line(experiment):
        print(line)


def table(budget: str, experiment: str, name: str, selection: Selection = ALL) -> None:
    from cfm.results.tables.base import make
    from cfm.workflow.finished import with_finished

    config = with_finished(_one(budget, experiment, selection))
    check_name(name, config.experiments[experiment].tables, "table", Where("--name"))
    make(config, experiment, name)


def claims(budget: str, experiments: str, selection: Selection = ALL) -> None:
    from cfm.results.claims.report import write_claims
    from cfm.workflow.finished import with_finished

    write_claims(with_finished(_load(budget, experiments, selection)))


def figure(budget: str, experiment: str, name: str, dataset: str | None, selection: Selection = ALL) -> int:
    from cfm.results.figures._failed import draw_or_note
    from cfm.workflow.finished import with_finished

    config = with_finished(_one(budget, experiment, selection))
    check_name(name, config.experiments[experiment].figures, "figure", Where("--name"))
    reason = draw_or_note(config, experiment, name, dataset)
    if reason is not None:
        print(f"error: {config.layout.failed_figure(experiment, name, dataset)}: {reason}", file=sys.stderr)
    return int(reason is not None)


def compare(
    budget: str,
    first: str,
    second: str,
    experiment: str | None,
    metric: list[str],
    dataset: list[str],
    solver: str | None,
    kept: bool,
) -> None:
    from cfm.cli.compare import run

    print(run(budget, first, second, experiment, metric, dataset, solver, kept))


def report(budget: str, experiments: str, kept: bool, selection: Selection = ALL) -> None:
    from cfm.cli.reference import copied
    from cfm.results.report.page import write
    from cfm.workflow.finished import with_finished

    config = _load(budget, experiments, selection)
    print(write(copied(config) if kept else with_finished(config)))


def reference(budget: str, experiments: str, selection: Selection = ALL) -> None:
    from cfm.cli.reference import keep

    print(keep(_load(budget, experiments, selection)))


def status(budget: str, experiments: str, selection: Selection = ALL) -> int:
    from cfm.cli.status import print_status
    from cfm.workflow.left_out import more_lines

    config = _load(budget, experiments, selection)
    return print_status(config, more_lines(config))


def fetch(budget: str, experiments: str, selection: Selection = ALL) -> int:
    from cfm.workflow.status import skipped_lines

    config, code = _fetched(_load(budget, experiments, selection), experiments)
    lines = skipped_lines(config)
    print("\n".join(lines) if lines else "every file that the experiments read is there")
    return code or bool(lines)


def reproduce(
    budget: str, experiments: str, cores: str, profile: str, dry_run: bool, selection: Selection = ALL
) -> int:
    from cfm.cli.reproduce import checked, run

    checked(cores, profile, dry_run)  # before anything is downloaded
    config, chosen = _check(budget, experiments, selection), names(experiments)
    if dry_run:
        return run(config, chosen, cores, profile, dry=True)
    config, code = _fetched(config, experiments)
    return run(config, chosen, cores, profile) or code


def _fetched(config: Config, experiments: str) -> tuple[Config, int]:
    """The configuration after a download of what is missing, and 2 if what came is not what was asked for."""
    from cfm.datasets.reading.sources import fetch_all

    code = fetch_all(config.datasets[name].dataset for name in config.unavailable)
    return _load(config.budget, experiments, config.chosen) if config.unavailable else config, code


def _load(budget: str, experiments: str, selection: Selection) -> Config:
    """The configuration of the experiments that are named, of all by default; of them what is selected.

    `UserError` if no method of a selection can run on a data set of it.
    """
    config = configuration.load(budget, names(experiments), selection)
    chosen = {name: settings for name, settings in config.asked.items() if settings.datasets}
    pairs = [(d, m) for name, settings in chosen.items() for d in settings.datasets for m in config.methods_of(name)]
    reasons = [config.skip_reason(dataset, method) for dataset, method in pairs]
    if selection != ALL and pairs and None not in reasons:
        raise UserError(f"nothing to run: {pairs[0][1]} on {pairs[0][0]}: {reasons[0]}")
    return config


def _one(budget: str, experiment: str, selection: Selection) -> Config:
    """The configuration of one experiment."""
    check_name(experiment, configuration.available_experiments(), "experiment", Where("--experiment"))
    return _load(budget, experiment, selection)


def _check(budget: str, experiments: str, selection: Selection) -> Config:
    """The configuration, checked together with the claims that are judged when all runs are done."""
    from cfm.results.claims.judge import load_claims

    config = _load(budget, experiments, selection)
    load_claims(config)
    return config
