"""What each verb of the command line does: load the configuration, call the stage."""

from __future__ import annotations

import json
import sys

from cfm import config as configuration
from cfm.config import Config
from cfm.config.strict import Where, check_name
from cfm.metrics import METRICS


def check(budget: str) -> None:
    _check(budget, "")


def schema(budget: str) -> None:
    from cfm.config.schema import schema as describe

    print(json.dumps(describe(), indent=1, sort_keys=True))


def list_(budget: str) -> None:
    from cfm.workflow.status import absent_files, described

    config = configuration.load(budget)
    for title, names in (
        ("experiments", {name: e.title for name, e in config.experiments.items()}),
        ("data sets", described(config)),
        ("data sets that are not here", absent_files(config.datasets)),
        ("methods", {name: m.entry.label for name, m in config.methods.items()}),
        ("metrics", {name: f"{m.label}: {m.unit}, {m.direction}" for name, m in METRICS.items()}),
    ):
        if names:
            print(f"{title}:")
        for name, text in names.items():
            print(f"  {name:26s} {text}")


def new_method(budget: str, name: str, rule: bool) -> None:
    from cfm.cli.new_method import new_method as write

    written = ", ".join(map(str, write(name, rule)))
    print(
        f"written: {written}; `python -m cfm check-method {name}` checks it, `make reproduce EXPERIMENTS=toy2d` runs it"
    )


def check_method(budget: str, name: str) -> int:
    from cfm.cli.check_method import check_method as run

    return run(budget, name)


def collect(budget: str, experiment: str) -> None:
    from cfm.stages.collect import collect as run

    run(configuration.load(budget, (experiment,)), experiment)


def table(budget: str, experiment: str, name: str) -> None:
    from cfm.results.tables.base import make

    config = configuration.load(budget, (experiment,))
    check_name(name, config.experiments[experiment].tables, "table", Where("--name"))
    make(config, experiment, name)


def claims(budget: str, experiments: str) -> None:
    from cfm.results.claims.report import write_claims

    write_claims(_load(budget, experiments))


def figure(budget: str, experiment: str, name: str, dataset: str | None) -> int:
    from cfm.results.figures._failed import draw_or_note

    config = configuration.load(budget, (experiment,))
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


def report(budget: str, experiments: str, kept: bool) -> None:
    from cfm.cli.reference import copied
    from cfm.results.report.page import write

    config = _load(budget, experiments)
    print(write(copied(config) if kept else config))


def reference(budget: str, experiments: str) -> None:
    from cfm.cli.reference import keep

    print(keep(_load(budget, experiments)))


def status(budget: str, experiments: str) -> int:
    from cfm.workflow.status import print_status

    return print_status(_load(budget, experiments))


def fetch(budget: str, experiments: str) -> int:
    from cfm.workflow.status import skipped_lines

    config, code = _fetched(_load(budget, experiments), experiments)
    lines = skipped_lines(config)
    print("\n".join(lines) if lines else "every file that the experiments read is there")
    return code or bool(lines)


def reproduce(budget: str, experiments: str, cores: str, profile: str) -> int:
    from cfm.cli.reproduce import run

    config, code = _fetched(_check(budget, experiments), experiments)
    return run(config, experiments.split(), cores, profile) or code


def _fetched(config: Config, experiments: str) -> tuple[Config, int]:
    """The configuration after a download of what is missing, and 2 if what came is not what was asked for."""
    from cfm.datasets.reading.sources import fetch_all

    code = fetch_all(config.datasets[name].dataset for name in config.unavailable)
    return _load(config.budget, experiments) if config.unavailable else config, code


def _load(budget: str, experiments: str) -> Config:
    """The configuration of the experiments that are named, of all by default."""
    return configuration.load(budget, tuple(experiments.split()))


def _check(budget: str, experiments: str) -> Config:
    """The configuration, checked together with the claims that are judged when all runs are done."""
    from cfm.results.claims.judge import load_claims

    config = _load(budget, experiments)
    load_claims(config)
    return config
