"""Loading and checking config/: one frozen `Config`, or one line that says what is wrong and where.

Nothing here imports torch: the check takes a fraction of a second and comes before any job.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cfm.datasets.base import Dataset
from cfm.errors import UserError
from cfm.layout import Layout
from cfm.methods.base import Method
from cfm.metrics import METRICS
from cfm.registry import dataset_family, families, method_family
from cfm.settings import PAIRS, Entry, Experiment, Figure, Main, Solver, Table, Training
from cfm.strict import Where, as_json, build, check_keys, check_name, load_yaml

FOLDER = Path("config")
BUDGETS = ("smoke", "quick", "paper")
Run = tuple[str, str, int]  # data set, method, seed
_ENTRY_KEYS = tuple(Entry.__dataclass_fields__)


@dataclass(frozen=True)
class NamedMethod:
    """An entry of methods.yaml."""

    name: str
    entry: Entry
    method: Method


@dataclass(frozen=True)
class NamedDataset:
    """An entry of datasets.yaml."""

    name: str
    entry: Entry
    dataset: Dataset


@dataclass(frozen=True)
class Config:
    """Everything that config/ says, for one budget."""

    budget: str
    main: Main
    methods: Mapping[str, NamedMethod]
    datasets: Mapping[str, NamedDataset]
    experiments: Mapping[str, Experiment]

    @property
    def layout(self) -> Layout:
        return Layout(self.main.results, self.budget)

    def methods_of(self, experiment: str) -> list[str]:
        """Names of the methods that take part, in the order of methods.yaml."""
        only = self.experiments[experiment].only
        return [n for n, m in self.methods.items() if experiment in m.entry.experiments and (n in only or not only)]

    def impossible(self, dataset: str, method: str) -> str | None:
        """Why the method cannot run on the data set; None if it can."""
        return self.methods[method].method.unsupported(self.datasets[dataset].dataset)

    def pairs(self, experiment: str) -> list[tuple[str, str]]:
        """The (data set, method) pairs of an experiment that can run."""
        return [
            (dataset, method)
            for dataset in self.experiments[experiment].datasets
            for method in self.methods_of(experiment)
            if self.impossible(dataset, method) is None
        ]

    def runs(self, experiment: str) -> dict[Run, Path]:
        """The folder of every run of an experiment, done or not."""
        return {
            (dataset, method, seed): self.layout.run(experiment, dataset, method, seed)
            for dataset, method in self.pairs(experiment)
            for seed in self.experiments[experiment].seeds
        }

    def require(self, experiment: str, dataset: str, method: str | None = None) -> None:
        """`UserError` unless the data set (and the method) belong to the experiment and go together."""
        where = Where(f"{FOLDER}/experiments/{experiment}.yaml")
        check_name(experiment, self.experiments, "experiment", Where("--experiment"))
        check_name(dataset, self.experiments[experiment].datasets, "data set", where / "datasets")
        if method is not None:
            check_name(method, self.methods_of(experiment), "method", Where(f"{FOLDER}/methods.yaml"))
            reason = self.impossible(dataset, method)
            if reason:
                possible = [m for d, m in self.pairs(experiment) if d == dataset]
                raise UserError(
                    f"{FOLDER}/methods.yaml: {method}: cannot run on '{dataset}': {reason}; "
                    f"valid there: {', '.join(possible)}"
                )

    def training(self, experiment: str, method: str) -> Training | None:
        """The training settings of a method; None if it is not trained."""
        settings = self.experiments[experiment]
        trained = self.methods[method].method.trained and settings.objective is None
        return settings.train_of.get(method, settings.train) if trained else None

    def solvers(self, experiment: str, method: str) -> dict[str, Solver]:
        """The solvers of a method, without the large test set if it is not among those that take it."""
        settings = self.experiments[experiment]
        if method in (settings.large_test or self.methods):
            return settings.solvers
        return {name: replace(solver, points="test") for name, solver in settings.solvers.items()}

    def spec(self, stage: str, experiment: str, dataset: str, method: str | None = None) -> str:
        """The resolved settings a stage depends on (its own and those before it) as canonical JSON."""
        settings = self.experiments[experiment]
        data = self.datasets[dataset]
        parts: dict[str, Any] = {"dataset": {"family": data.entry.family, **as_json(data.dataset)}}
        parts["sizes"] = settings.sizes
        if method is not None:
            chosen = self.methods[method]
            parts["method"] = {"family": chosen.entry.family, **as_json(chosen.method)}
            parts["train"] = self.training(experiment, method)
            parts["objective"] = settings.objective
            if chosen.method.teacher is not None:
                parts["teacher"] = json.loads(self.spec("train", experiment, dataset, chosen.method.teacher))
        if stage in ("sample", "evaluate") and method is not None:
            parts["solvers"] = self.solvers(experiment, method)
        if stage == "evaluate":
            parts["metrics"] = settings.metrics
        return canonical(parts)

    def chunks(self, experiment: str) -> list[tuple[int, ...]]:
        """The seeds in groups of fixed size that share a process."""
        seeds, size = self.experiments[experiment].seeds, self.experiments[experiment].seeds_per_job
        return [seeds[start : start + size] for start in range(0, len(seeds), size)]


def canonical(value: Any) -> str:
    """Sorted, compact JSON: equal settings give equal text."""
    return json.dumps(as_json(value), sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    """A short name for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(budget: str, only: tuple[str, ...] = ()) -> Config:
    """The configuration of a budget, all of it checked; `only` restricts the enabled experiments."""
    check_name(budget, BUDGETS, "budget", Where("BUDGET"))
    main_file = FOLDER / "config.yaml"
    main = build(Main, load_yaml(main_file), Where(str(main_file)))
    if main.threads < 1:
        raise UserError(f"{main_file}: threads: 1 or more is expected, got {main.threads}")
    available = available_experiments()
    for name in main.experiments:
        check_name(name, available, "experiment", Where(str(main_file)) / "experiments")
    for name in only:
        check_name(name, available, "experiment", Where("EXPERIMENTS"))
    methods = {n: NamedMethod(n, *_entry(n, v, "methods", available)) for n, v in _entries("methods")}
    datasets = {n: NamedDataset(n, *_entry(n, v, "datasets", available)) for n, v in _entries("datasets")}
    overlays = _overlays(budget, available)
    experiments = {
        name: _experiment(name, overlays.get(name, {}), methods, datasets) for name in only or main.experiments
    }
    return Config(budget, main, methods, datasets, experiments)


def available_experiments() -> list[str]:
    """The experiments that have a file, enabled or not."""
    return sorted(path.stem for path in (FOLDER / "experiments").glob("*.yaml"))


def _entries(kind: str) -> list[tuple[str, Any]]:
    return list(load_yaml(FOLDER / f"{kind}.yaml").items())


def _entry(name: str, value: Any, kind: str, experiments: list[str]) -> tuple[Entry, Any]:
    where = Where(f"{FOLDER}/{kind}.yaml") / name
    if not name.isidentifier() or not name.islower():
        raise UserError(f"{where}: a name is lower-case letters, digits and underscores")
    if not isinstance(value, dict):
        raise UserError(f"{where}: a mapping is expected, got {value!r}")
    entry = build(Entry, {key: item for key, item in value.items() if key in _ENTRY_KEYS}, where)
    if kind == "datasets" and entry.experiments:
        raise UserError(f"{where}: unknown key 'experiments'; an experiment's file names its data sets")
    for experiment in entry.experiments:
        check_name(experiment, experiments, "experiment", where / "experiments")
    family = method_family(entry.family, where) if kind == "methods" else dataset_family(entry.family, where)
    rest = {key: item for key, item in value.items() if key not in _ENTRY_KEYS}
    for key in rest:
        known = [*_ENTRY_KEYS, *family.__dataclass_fields__]
        check_name(key, known, "key", where)
    return entry, build(family, rest, where)


def _overlays(budget: str, experiments: list[str]) -> dict[str, Any]:
    where = Where(f"{FOLDER}/budgets/{budget}.yaml")
    content = load_yaml(Path(where.file))
    for key in content:
        check_name(key, ["experiments"], "key", where)
    overlays: dict[str, Any] = content.get("experiments", {})
    for name, overlay in overlays.items():
        check_name(name, experiments, "experiment", where / "experiments")
        check_keys(Experiment, overlay, where / "experiments" / name, partial=True)
    return overlays


def _merge(base: Any, overlay: Any) -> Any:
    if isinstance(base, dict) and isinstance(overlay, dict):
        return {key: _merge(base.get(key), overlay[key]) if key in overlay else base[key] for key in base | overlay}
    return overlay


def _experiment(
    name: str, overlay: Any, methods: Mapping[str, NamedMethod], datasets: Mapping[str, NamedDataset]
) -> Experiment:
    where = Where(f"{FOLDER}/experiments/{name}.yaml")
    base = load_yaml(Path(where.file))
    check_keys(Experiment, base, where, partial=True)  # also where the overlay says something else
    merged = _merge(base, overlay)
    train_of = {m: _merge(merged.get("train"), changed) for m, changed in merged.get("train_of", {}).items()}
    settings = build(Experiment, merged | {"train_of": train_of}, where)
    for dataset in settings.datasets:
        check_name(dataset, datasets, "data set", where / "datasets")
    measured = [
        name for name, metric in METRICS.items() if (metric.compute is None) == (settings.objective is not None)
    ]
    for metric in settings.metrics:
        check_name(metric, measured, "metric", where / "metrics")
    members = [m.name for m in methods.values() if name in m.entry.experiments]
    for key in ("only", "large_test", "train_of"):
        for method in getattr(settings, key):
            check_name(method, members, "method", where / key)
    present = settings.only or members
    for method in present:
        teacher = methods[method].method.teacher
        if teacher is not None:
            check_name(teacher, present, "method", Where(f"{FOLDER}/methods.yaml") / method / "teacher")
    trained = settings.objective is None
    if "npe" in settings.metrics and "w2_squared" not in settings.metrics:
        raise UserError(f"{where}: metrics: 'npe' needs 'w2_squared', of the identity control")
    if settings.large_test and trained and "identity" not in settings.large_test:
        raise UserError(f"{where}: large_test: 'identity' must be there (NPE divides by its W2²)")
    _check_solvers(settings, where / "solvers")
    _check_outputs(settings, members, where)
    if settings.datasets and (settings.sizes is None or not settings.seeds or (trained and settings.train is None)):
        raise UserError(f"{where}: an experiment with data sets needs 'sizes', 'seeds', and 'train' or 'objective'")
    for method in members if settings.objective else ():
        if methods[method].method.conditional_path is None:
            raise UserError(f"{FOLDER}/methods.yaml: {method}: has no conditional path, which '{name}' measures")
    if settings.datasets and trained and "identity" not in present:
        raise UserError(f"{FOLDER}/methods.yaml: identity.experiments: must name '{name}' (NPE divides by its W2²)")
    return settings


def _check_solvers(settings: Experiment, where: Where) -> None:
    for name, solver in settings.solvers.items():
        needed, other = ("tolerance", "steps") if solver.scheme == "dopri5" else ("steps", "tolerance")
        if getattr(solver, needed) is None or getattr(solver, other) is not None:
            raise UserError(f"{where / name}: scheme '{solver.scheme}' takes '{needed}' and no '{other}'")


def _check_outputs(settings: Experiment, members: list[str], where: Where) -> None:
    solvers = [PAIRS] if settings.objective else [*settings.solvers]
    computed = [*settings.metrics, *(f"{m}_large" for m in settings.metrics if METRICS[m].per_test_set)]
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


def schema() -> dict[str, Any]:
    """JSON schema of an experiment file and of config.yaml, written to config/schema.json."""
    from cfm.strict import schema as describe

    kinds = {"config": Main, "experiment": Experiment}
    for package in ("methods", "datasets"):
        for family in families(package):
            module = importlib.import_module(f"cfm.{package}.{family}")
            kinds[f"{package}/{family}"] = getattr(module, "METHOD" if package == "methods" else "DATASET")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {k: describe(v) for k, v in kinds.items()},
    }
