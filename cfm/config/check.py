"""Is an experiment, as its file and the budget have it, something that can be run? Else one line that says why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cfm.config.entries import NamedMethod
from cfm.config.registry import families
from cfm.config.strict import Where, check_name, check_plain
from cfm.datasets.base import Dataset
from cfm.errors import UserError
from cfm.metrics import METRICS, names
from cfm.pictures import picture_shape, unet_problem
from cfm.settings import PAIRS, Experiment, Figure, Table, Training

_MAY_BE_ZERO = ("weight_decay", "warmup", "test_large", "dropout")


def check_experiment(name: str, settings: Experiment, methods: Mapping[str, NamedMethod], where: Where) -> None:
    """`UserError` on the first thing that is wrong with an experiment whose data sets are known."""
    _check_numbers(settings, where)
    measured = [
        name for name, metric in METRICS.items() if (metric.compute is None) == (settings.objective is not None)
    ]
    for metric in settings.metrics:
        check_name(metric, measured, "metric", where / "metrics")
    members = [m.name for m in methods.values() if name in m.entry.experiments]
    for key in ("methods", "large_test", "train_of"):
        for method in getattr(settings, key):
            check_name(method, members, "method", where / key)
    present = settings.methods or members
    for method in present:
        teacher = methods[method].method.teacher
        if teacher is not None:
            check_name(teacher, present, "method", methods[method].where / "teacher")
    trained = settings.objective is None
    _check_solvers(settings, where / "solvers")
    _check_outputs(settings, members, where)
    if settings.datasets and (not settings.seeds or (trained and settings.train is None)):
        raise UserError(f"{where}: an experiment with data sets needs 'seeds', and 'train' or 'objective'")
    for method in members if settings.objective else ():
        if methods[method].method.conditional_path is None:
            raise UserError(f"{methods[method].where}: has no conditional path, which '{name}' measures")


def check_network(name: str, dataset: Dataset, train: Training | None, where: Where) -> None:
    """`UserError` if the U-Net of an experiment cannot be built for the pictures of a data set."""
    if train is not None and train.unet is not None:
        problem = unet_problem(picture_shape(dataset.dim), train.width, train.unet)
        if problem is not None:
            raise UserError(f"{where}: '{name}': {problem}")


def _check_numbers(settings: Experiment, where: Where) -> None:
    """Sizes and counts are positive, seeds are different and not negative."""
    if len({*settings.seeds}) < len(settings.seeds) or not all(0 <= seed < 2**63 for seed in settings.seeds):
        raise UserError(f"{where / 'seeds'}: different whole numbers, 0 or more, are expected")
    named: dict[str, Any] = {"train": settings.train, "sizes": settings.sizes, "objective": settings.objective}
    named |= {f"train_of.{name}": own for name, own in settings.train_of.items()}
    named |= {f"solvers.{name}": solver for name, solver in settings.solvers.items()}
    values = [("seeds_per_job", settings.seeds_per_job)]
    values += [(f"{name}.{k}", v) for name, part in named.items() if part is not None for k, v in vars(part).items()]
    for place, value in values:
        least = 0 if place.rpartition(".")[2] in _MAY_BE_ZERO else 1 if type(value) is int else None
        if type(value) in (int, float) and (value <= 0 if least is None else value < least):
            raise UserError(f"{where / place}: a positive number is expected, got {value}")


def _check_solvers(settings: Experiment, where: Where) -> None:
    for name, solver in settings.solvers.items():
        needed, other = ("tolerance", "steps") if solver.scheme == "dopri5" else ("steps", "tolerance")
        if getattr(solver, needed) is None or getattr(solver, other) is not None:
            raise UserError(f"{where / name}: scheme '{solver.scheme}' takes '{needed}' and no '{other}'")


def _check_outputs(settings: Experiment, members: list[str], where: Where) -> None:
    for key in ("solvers", "tables", "figures"):
        for name in getattr(settings, key):
            check_plain(name, "name", where / key)
    solvers = [PAIRS] if settings.objective else [*settings.solvers]
    computed = names(settings.metrics)
    outputs: dict[str, Mapping[str, Table | Figure]] = {"table": settings.tables, "figure": settings.figures}
    for what, named in outputs.items():
        for name, output in named.items():
            place = where / f"{what}s" / name
            check_name(output.kind, families(f"{what}s"), what, place / "kind")
            if output.solver is not None:
                check_name(output.solver, solvers, "solver", place / "solver")
            for metric in output.metrics:
                check_name(metric, computed, "metric", place / "metrics")
    for name, figure in settings.figures.items():
        for method in figure.methods:
            check_name(method, members, "method", where / "figures" / name / "methods")
