"""Loading and checking config/: one frozen `Config`, or one line that says what is wrong and where.

Nothing here imports torch: the check takes a fraction of a second and comes before any job.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cfm.entries import FOLDER as FOLDER
from cfm.entries import MANY, NamedDataset, NamedMethod, by_name, load_datasets, load_methods
from cfm.errors import UserError
from cfm.layout import Layout
from cfm.metrics import METRICS
from cfm.registry import families
from cfm.settings import PAIRS, Experiment, Figure, Main, Solver, Table, Training
from cfm.strict import Where, as_json, build, check_keys, check_name, check_plain, load_yaml

BUDGETS = ("smoke", "quick", "paper")
Run = tuple[str, str, int]  # data set, method, seed


@dataclass(frozen=True)
class Config:
    """Everything that config/ says, for one budget.

    `asked` are the experiments as it says them; `experiments` are these without the data sets that cannot be had on
    this machine, which `missing` names with the reason, and without those experiments that this machine cannot do or
    that nobody named, which `refused` names.
    """

    budget: str
    main: Main
    methods: Mapping[str, NamedMethod]
    datasets: Mapping[str, NamedDataset]
    experiments: Mapping[str, Experiment]
    asked: Mapping[str, Experiment]
    missing: Mapping[str, str]
    refused: Mapping[str, str]

    @property
    def layout(self) -> Layout:
        return Layout(self.main.results, self.budget)

    def gpus(self, experiment: str, stage: str) -> int:
        """How many GPUs a job takes: those of config.yaml in a training that needs one, else one; none on a CPU."""
        if not _has_gpu(self.main):
            return 0
        return self.main.gpus if stage == "train" and self.asked[experiment].gpu else 1

    def skipped(self, experiment: str) -> dict[str, str]:
        """The data sets that an experiment goes without, each with the reason."""
        reasons = {
            name: self.refused.get(experiment, self.missing.get(name)) for name in self.asked[experiment].datasets
        }
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def whole(self) -> Config:
        """The same with all data sets, had or not: for what was run on another machine."""
        return replace(self, experiments=self.asked, missing={}, refused={})

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
        check_name(dataset, self.asked[experiment].datasets, "data set", where / "datasets")
        if dataset in self.skipped(experiment):
            raise UserError(f"{dataset}: {self.skipped(experiment)[dataset]}")
        if method is not None:
            present = self.methods_of(experiment)
            if method in self.methods and method not in present:
                raise UserError(
                    f"{method} takes no part in {experiment} at budget '{self.budget}': see `experiments` in "
                    f"{FOLDER}/methods.yaml, `only` in {FOLDER}/budgets; valid: {', '.join(present)}"
                )
            check_name(method, present, "method", Where(f"{FOLDER}/methods.yaml"))
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
    for key, count in (("threads", main.threads), ("gpus", main.gpus)):
        if count < 1:
            raise UserError(f"{main_file}: {key}: 1 or more is expected, got {count}")
    if not re.fullmatch(r"[A-Za-z0-9_./+=][A-Za-z0-9_./+=-]*", main.results):
        raise UserError(f"{main_file}: results: a path of letters, digits and ./_+=- is expected, got '{main.results}'")
    available = available_experiments()
    for name in main.experiments:
        check_name(name, available, "experiment", Where(str(main_file)) / "experiments")
    for name in only:
        check_name(name, available, "experiment", Where("EXPERIMENTS"))
    methods, datasets, overlays = load_methods(available), load_datasets(), _overlays(budget, available)
    asked = {name: _experiment(name, overlays.get(name, {}), methods, datasets) for name in only or main.experiments}
    refused = {name: _BY_NAME.format(budget, name) for name, settings in asked.items() if settings.by_name and not only}
    refused |= {} if _has_gpu(main) else {name: _NO_GPU for name, settings in asked.items() if settings.gpu}
    used = dict.fromkeys(dataset for name in asked if name not in refused for dataset in asked[name].datasets)
    reasons = {name: datasets[name].dataset.missing() for name in used}
    missing = {name: reason for name, reason in reasons.items() if reason is not None}
    config = Config(budget, main, methods, datasets, asked, asked, missing, refused)
    return replace(config, experiments={name: _without(asked[name], config.skipped(name)) for name in asked})


_MAY_BE_ZERO = ("weight_decay", "warmup", "test_large", "dropout")
_BY_NAME = "only when named: `make reproduce BUDGET={} EXPERIMENTS={}`"
_NO_GPU = "needs a GPU, and there is none here (if the jobs run where there is one, say `device: cuda` in config.yaml)"


def _has_gpu(main: Main) -> bool:
    """Without torch, which takes a second to load: by the drivers' devices."""
    present = any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd"))
    return main.device == "cuda" or (main.device == "auto" and present)


def _without(settings: Experiment, missing: Mapping[str, str]) -> Experiment:
    """The experiment without some data sets; without any, there is nothing to show."""
    left = tuple(name for name in settings.datasets if name not in missing)
    if settings.datasets and not left:
        return replace(settings, datasets=(), tables={}, figures={})
    return replace(settings, datasets=left)


def available_experiments() -> list[str]:
    """The experiments that have a file, enabled or not."""
    return sorted(path.stem for path in (FOLDER / "experiments").glob("*.yaml"))


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
    where = Where(f"{FOLDER}/experiments/{check_plain(name, 'name', Where(f'{FOLDER}/experiments'))}.yaml")
    base = load_yaml(Path(where.file))
    check_keys(Experiment, base, where, partial=True)  # also where the overlay says something else
    merged = _merge(base, overlay)
    train_of = {m: _merge(merged.get("train"), changed) for m, changed in merged.get("train_of", {}).items()}
    settings = build(Experiment, merged | {"train_of": train_of}, where)
    if base.get("datasets") and not settings.datasets:  # the budget goes without it
        return replace(settings, tables={}, figures={})
    settings = replace(settings, datasets=_datasets(settings, datasets, where))
    _check_numbers(settings, where)
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
    if settings.datasets and (not settings.seeds or (trained and settings.train is None)):
        raise UserError(f"{where}: an experiment with data sets needs 'seeds', and 'train' or 'objective'")
    for method in members if settings.objective else ():
        if methods[method].method.conditional_path is None:
            raise UserError(f"{FOLDER}/methods.yaml: {method}: has no conditional path, which '{name}' measures")
    if settings.datasets and trained and "identity" not in present:
        raise UserError(f"{FOLDER}/methods.yaml: identity.experiments: must name '{name}' (NPE divides by its W2²)")
    return settings


def _datasets(settings: Experiment, datasets: Mapping[str, NamedDataset], where: Where) -> tuple[str, ...]:
    """The data sets by name, in the place of groups their members."""
    groups = by_name(datasets)
    for name in settings.datasets:
        check_name(name, groups, "data set", where / "datasets")
    found = dict.fromkeys(member for name in settings.datasets for member in groups[name])
    for name in found:
        if datasets[name].dataset.takes_sizes and settings.sizes is None:
            raise UserError(f"{where}: key 'sizes' is missing: '{name}' is drawn")
        if not datasets[name].dataset.takes_sizes and settings.sizes is not None:
            raise UserError(f"{where}: sizes: '{name}' has its own number of points; remove the key")
    return tuple(found)


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
    described = {name: describe(kind) for name, kind in kinds.items()}
    for description in described.values():
        for key in description["properties"].keys() & MANY:
            one = description["properties"][key]
            description["properties"][key] = {"anyOf": [one, {"type": "array", "items": one}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": described}
