"""The verbs that work on one cell of a table, in the order in which the workflow runs them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cfm.artifacts.layout import METHOD_RULES, MODEL, TRAINING_LOG
from cfm.cli.cell import Cell, named_seeds, progress
from cfm.cli.measured import print_distances, print_metrics, print_written
from cfm.config import load
from cfm.config.strict import Where, check_name
from cfm.device import taken
from cfm.errors import UserError
from cfm.fingerprint import digest, file_digest
from cfm.stages import OF_RUNS


def show(**where: Any) -> None:
    """Print the resolved settings of a cell, its seeds and its folder."""
    cell = Cell.open("evaluate", **where)
    folder = str(cell.config.layout.run(*cell.where, "*"))
    print(json.dumps(json.loads(cell.spec) | {"seeds": [*cell.runs], "folder": folder}, indent=2, sort_keys=True))


def data(budget: str, experiment: str, dataset: str) -> None:
    """Prepare a data set."""
    from cfm.stages.data import prepare

    config = load(budget, (experiment,))
    config.require(experiment, dataset)
    sizes = config.experiments[experiment].sizes
    prepare(config.datasets[dataset].dataset, sizes, config.layout.data(experiment, dataset))


def source_target(budget: str, experiment: str, dataset: str, seeds: Sequence[int] | None = None) -> None:
    """Measure how far source and target are apart."""
    from cfm.stages.source_target import source_target as run

    config = load(budget, (experiment,))
    config.require(experiment, dataset)
    chosen = named_seeds(config, experiment, seeds)
    places = {seed: config.layout.source_target(experiment, dataset, seed) for seed in chosen}
    with progress(config, "source-target", f"{experiment}/{dataset}", chosen) as report:
        run(config.layout.data(experiment, dataset), config.evaluated_points(experiment), places, report)
    print_distances(places)


def train(threads: int = 1, **where: Any) -> int:
    """Train; the exit code is that of torchrun where several GPUs are taken."""
    from cfm.artifacts.model import load_model
    from cfm.stages.train import train as run
    from cfm.training.data_parallel import torchrun

    cell = Cell.open("train", **where)
    _require_own(cell)
    config, settings = cell.config, cell.config.training(cell.experiment, cell.method)
    if settings is None:
        raise UserError(f"{cell.method} is not trained: use `sample`")
    # Half-finished training goes on only with the same settings, code, data and teachers.
    identity, teachers = cell.spec + cell.code("train") + file_digest(cell.data), {}
    teacher = cell.family.teacher
    if teacher is not None:
        taught_by = config.training(cell.experiment, teacher)
        assert taught_by is not None
        for seed in cell.runs:
            folder = config.layout.run(cell.experiment, cell.dataset, teacher, seed)
            teachers[seed] = load_model(folder, taught_by)
            identity += file_digest(folder / MODEL)
    state, workers = config.layout.resume(digest(identity), tuple(cell.runs)), threads if threads > 1 else 0
    count = cell.gpus("train")
    with taken(count):
        if count > 1:
            return torchrun(count)
        with cell.progress("train") as report:
            device = config.main.device
            _say(run(cell.family, settings, cell.data, cell.runs, teachers, state, cell.spec, device, workers, report))
    if os.environ.get("LOCAL_RANK", "0") == "0":  # one of several processes of torchrun speaks for all
        print_written(f"{MODEL} and {TRAINING_LOG}", cell.runs)
    return 0


def sample(**where: Any) -> None:
    """Carry the evaluation points to the target."""
    from cfm.stages.sample import sample as run

    cell = Cell.open("sample", **where)
    _require_own(cell)
    config, dataset = cell.config, cell.config.datasets[cell.dataset].dataset
    settings, solvers = config.training(cell.experiment, cell.method), config.solvers(cell.experiment, cell.method)
    with taken(cell.gpus("sample")), cell.progress("sample") as report:
        run(cell.family, dataset, settings, solvers, cell.data, cell.runs, config.main.device, report)
    print_written(f"{', '.join(f'samples/{name}.npz' for name in solvers)}", cell.runs)


def carry(start: str, end: str, times: int, cells: Path | None, out: Path, **where: Any) -> None:
    """Carry cells from one time to another by the trained networks, into a file of their own."""
    from cfm.cli.carry import carry as run

    print(run(start, end, times, cells, out, **where))


def external(packages: Path | None, command: Sequence[str], **where: Any) -> None:
    """Have a program outside this package write the samples."""
    from cfm.workflow.external import run

    cell = Cell.open("sample", **where)
    known = [name for name, method in cell.config.methods.items() if method.external]
    check_name(cell.method, known, "external method", Where("--method"))
    _say(run(cell.config, cell.where, cell.runs, command, packages))


def evaluate(**where: Any) -> None:
    """Measure the samples; how far source and target are apart too, if a metric asks for it and it is not known yet."""
    from cfm.stages.evaluate import evaluate as run
    from cfm.workflow.external import settle

    cell = Cell.open("evaluate", **where)
    config, settings = cell.config, cell.settings
    settle(config, cell.where, cell.runs)
    apart = {
        seed: config.layout.source_target(cell.experiment, cell.dataset, seed)
        for seed in cell.runs
        if config.needs_distances(cell.experiment)
    }
    if not all(path.exists() for path in apart.values()):
        source_target(config.budget, cell.experiment, cell.dataset, [*apart])
    code = {stage: cell.code(stage) for stage in OF_RUNS if stage != "objective"}
    with cell.progress("evaluate") as report:
        run(settings.solvers, settings.metrics, cell.data, cell.runs, apart, cell.spec, code, report)
    print_metrics(cell.runs, settings.metrics)


def objective(**where: Any) -> None:
    """Measure the variance of the regression target."""
    from cfm.stages.objective import measure

    cell = Cell.open("evaluate", **where)
    settings = cell.settings.objective
    if settings is None:
        raise UserError(f"{cell.experiment} has no 'objective' to measure: use `train`, `sample` and `evaluate`")
    with cell.progress("objective") as report:
        measure(cell.family, settings, cell.data, cell.runs, cell.spec, cell.code("objective"), report)
    print_metrics(cell.runs, cell.settings.metrics)


def _require_own(cell: Cell) -> None:
    if cell.config.methods[cell.method].external:
        raise UserError(f"{cell.method} is external: {METHOD_RULES / cell.method}.smk has its samples written")


def _say(failures: Mapping[int, str]) -> None:
    for seed, reason in failures.items():
        print(f"seed {seed} failed: {reason}", file=sys.stderr)
