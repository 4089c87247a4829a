"""What each verb of the command line does: load the configuration, call the stage."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from cfm import config as configuration
from cfm.artifacts.layout import METHOD_RULES, MODEL
from cfm.config import Config
from cfm.config.strict import Where, check_name
from cfm.device import taken
from cfm.errors import UserError
from cfm.fingerprint import digest, file_digest
from cfm.metrics import METRICS
from cfm.stages import OF_RUNS
from cfm.workflow.progress import Progress
from cfm.workflow.stage_code import run_code


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
        ("metrics", {name: f"{m.label}: {m.unit}, {m.better} is better" for name, m in METRICS.items()}),
    ):
        if names:
            print(f"{title}:")
        for name, text in names.items():
            print(f"  {name:26s} {text}")


def show(budget: str, experiment: str, dataset: str, method: str) -> None:
    config = configuration.load(budget, (experiment,))
    config.require(experiment, dataset, method)
    spec = json.loads(config.spec("evaluate", experiment, dataset, method))
    spec["seeds"] = config.experiments[experiment].seeds
    spec["folder"] = str(config.layout.run(experiment, dataset, method, "*"))
    print(json.dumps(spec, indent=2, sort_keys=True))


def new_method(budget: str, name: str, rule: bool) -> None:
    from cfm.cli.new_method import new_method as write

    written = ", ".join(map(str, write(name, rule)))
    print(
        f"written: {written}; `python -m cfm check-method {name}` checks it, `make reproduce EXPERIMENTS=toy2d` runs it"
    )


def check_method(budget: str, name: str) -> int:
    from cfm.cli.check_method import check_method as run

    return run(budget, name)


def data(budget: str, experiment: str, dataset: str) -> None:
    from cfm.stages.data import prepare

    config = configuration.load(budget, (experiment,))
    config.require(experiment, dataset)
    settings = config.experiments[experiment]
    prepare(config.datasets[dataset].dataset, settings.sizes, config.layout.data(experiment, dataset))


def train(
    budget: str,
    experiment: str,
    dataset: str,
    method: str,
    seeds: Sequence[int] | None,
    spec: str | None,
    threads: int,
) -> int:
    from cfm.artifacts.model import load_model
    from cfm.stages.train import train as run
    from cfm.training.data_parallel import torchrun

    config, runs, text = _open("train", budget, experiment, dataset, method, seeds, spec)
    _require_own(config, method)
    settings = config.training(experiment, method)
    if settings is None:
        raise UserError(f"{method} is not trained: use `sample`")
    data_path, teacher = config.layout.data(experiment, dataset), config.methods[method].method.teacher
    # Half-finished training goes on only with the same settings, code, data and teachers.
    identity = text + run_code(config, "train", dataset, method) + file_digest(data_path)
    teachers = {}
    if teacher is not None:
        taught_by = config.training(experiment, teacher)
        assert taught_by is not None
        for seed in runs:
            folder = config.layout.run(experiment, dataset, teacher, seed)
            teachers[seed] = load_model(folder, taught_by)
            identity += file_digest(folder / MODEL)
    count = _gpus(config, experiment, "train")
    with taken(count):
        if count > 1:
            return torchrun(count)
        with _progress(config, f"train {experiment}/{dataset}/{method} seeds {_span(runs)}") as report:
            failures = run(
                config.methods[method].method,
                settings,
                data_path,
                runs,
                teachers,
                config.layout.resume(digest(identity), tuple(runs)),
                text,
                config.main.device,
                threads if threads > 1 else 0,
                report,
            )
    for seed, reason in failures.items():
        print(f"seed {seed} failed: {reason}", file=sys.stderr)
    return 0


def sample(
    budget: str, experiment: str, dataset: str, method: str, seeds: Sequence[int] | None, spec: str | None
) -> None:
    from cfm.stages.sample import sample as run

    config, runs, _ = _open("sample", budget, experiment, dataset, method, seeds, spec)
    _require_own(config, method)
    name = f"sample {experiment}/{dataset}/{method} seeds {_span(runs)}"
    with taken(_gpus(config, experiment, "sample")), _progress(config, name) as report:
        run(
            config.methods[method].method,
            config.datasets[dataset].dataset,
            config.training(experiment, method),
            config.solvers(experiment, method),
            config.layout.data(experiment, dataset),
            runs,
            config.main.device,
            report,
        )


def external(
    budget: str,
    experiment: str,
    dataset: str,
    method: str,
    seeds: Sequence[int] | None,
    spec: str | None,
    packages: Path | None,
    command: Sequence[str],
) -> None:
    from cfm.workflow.external import run

    config, runs, _ = _open("sample", budget, experiment, dataset, method, seeds, spec)
    check_name(method, [m for m in config.methods if config.methods[m].external], "external method", Where("--method"))
    for seed, reason in run(config, (experiment, dataset, method), runs, command, packages).items():
        print(f"seed {seed} failed: {reason}", file=sys.stderr)


def evaluate(
    budget: str, experiment: str, dataset: str, method: str, seeds: Sequence[int] | None, spec: str | None
) -> None:
    from cfm.stages.evaluate import evaluate as run
    from cfm.workflow.external import settle

    config, runs, text = _open("evaluate", budget, experiment, dataset, method, seeds, spec)
    settings, layout = config.experiments[experiment], config.layout
    settle(config, (experiment, dataset, method), runs)
    apart = (
        {seed: layout.source_target(experiment, dataset, seed) for seed in runs}
        if config.needs_distances(experiment)
        else {}
    )
    if not all(path.exists() for path in apart.values()):
        source_target(budget, experiment, dataset, list(apart))
    code = {stage: run_code(config, stage, dataset, method) for stage in OF_RUNS if stage != "objective"}
    with _progress(config, f"evaluate {experiment}/{dataset}/{method} seeds {_span(runs)}") as report:
        run(
            settings.solvers,
            settings.metrics,
            layout.data(experiment, dataset),
            runs,
            apart,
            text,
            code,
            report,
        )


def source_target(budget: str, experiment: str, dataset: str, seeds: Sequence[int] | None) -> None:
    from cfm.stages.source_target import source_target as run

    config = configuration.load(budget, (experiment,))
    config.require(experiment, dataset)
    chosen = _seeds(config, experiment, seeds)
    places = {seed: config.layout.source_target(experiment, dataset, seed) for seed in chosen}
    with _progress(config, f"source-target {experiment}/{dataset} seeds {_span(chosen)}") as report:
        run(config.layout.data(experiment, dataset), config.evaluated_points(experiment), places, report)


def objective(
    budget: str, experiment: str, dataset: str, method: str, seeds: Sequence[int] | None, spec: str | None
) -> None:
    from cfm.stages.objective import measure

    config, runs, text = _open("evaluate", budget, experiment, dataset, method, seeds, spec)
    settings = config.experiments[experiment].objective
    if settings is None:
        raise UserError(f"{experiment} has no 'objective' to measure: use `train`, `sample` and `evaluate`")
    code = run_code(config, "objective", dataset, method)
    data_path = config.layout.data(experiment, dataset)
    with _progress(config, f"objective {experiment}/{dataset}/{method} seeds {_span(runs)}") as report:
        measure(config.methods[method].method, settings, data_path, runs, text, code, report)


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


def figure(budget: str, experiment: str, name: str, dataset: str | None) -> None:
    from cfm.results.figures.base import draw

    config = configuration.load(budget, (experiment,))
    check_name(name, config.experiments[experiment].figures, "figure", Where("--name"))
    draw(config, experiment, name, dataset)


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

    code = fetch_all(config.datasets[name].dataset for name in config.missing)
    return _load(config.budget, experiments) if config.missing else config, code


def _load(budget: str, experiments: str) -> Config:
    """The configuration of the experiments that are named, of all by default."""
    return configuration.load(budget, tuple(experiments.split()))


def _check(budget: str, experiments: str) -> Config:
    """The configuration, checked together with the claims that are judged when all runs are done."""
    from cfm.results.claims.judge import load_claims

    config = _load(budget, experiments)
    load_claims(config)
    return config


def _open(
    stage: str,
    budget: str,
    experiment: str,
    dataset: str,
    method: str,
    seeds: Sequence[int] | None,
    spec: str | None,
) -> tuple[Config, dict[int, Path], str]:
    """The configuration, the runs' folders by seed, and the settings of the stage as text."""
    config = configuration.load(budget, (experiment,))
    config.require(experiment, dataset, method)
    text = config.spec(stage, experiment, dataset, method)
    if spec is not None and spec != digest(text):
        raise UserError("the configuration has changed since the workflow started: run `make reproduce` again")
    folder = functools.partial(config.layout.run, experiment, dataset, method)
    return config, {seed: folder(seed) for seed in _seeds(config, experiment, seeds)}, text


def _seeds(config: Config, experiment: str, seeds: Sequence[int] | None) -> Sequence[int]:
    """Those that are asked for, all of the experiment by default."""
    known = config.experiments[experiment].seeds
    unknown = set(seeds or ()) - set(known)
    if unknown:
        raise UserError(f"--seeds: {sorted(unknown)} are not seeds of {experiment} ({known})")
    return seeds or known


def _gpus(config: Config, experiment: str, stage: str) -> int:
    """The GPUs that this process has to take; a process of torchrun is given its own."""
    return 0 if "LOCAL_RANK" in os.environ else config.gpus(experiment, stage)


def _require_own(config: Config, method: str) -> None:
    if config.methods[method].external:
        raise UserError(f"{method} is external: {METHOD_RULES / method}.smk has its samples written")


def _span(runs: Iterable[int]) -> str:
    seeds = [*runs]
    return str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]}-{seeds[-1]}"


@contextlib.contextmanager
def _progress(config: Config, job: str) -> Iterator[Callable[[int, int, str], None]]:
    progress = Progress(config.layout.root / ".progress", job)
    try:
        yield progress
    finally:
        progress.close()
