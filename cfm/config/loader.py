"""Loading and checking config/: one frozen `Config`, or one line that says what is wrong and where.

Nothing here imports torch: the check takes a fraction of a second and comes before any job.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cfm.config.check import check_experiment, check_network
from cfm.config.config import BUDGETS, Config, has_gpu
from cfm.config.entries import FOLDER, NamedDataset, NamedMethod, by_name, load_datasets, load_methods
from cfm.config.strict import Where, build, check_keys, check_name, check_plain, load_yaml, renamed
from cfm.errors import UserError
from cfm.settings import Experiment, Main


def load(budget: str, only: tuple[str, ...] = ()) -> Config:
    """The configuration of a budget, all of it checked; `only` restricts the enabled experiments."""
    check_name(budget, BUDGETS, "budget", Where("BUDGET"))
    main_file = FOLDER / "config.yaml"
    main = build(Main, load_yaml(main_file), Where(str(main_file)))
    for key, count in (("coupling_workers", main.coupling_workers), ("gpus", main.gpus)):
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
    left_out = {
        name: _ON_REQUEST.format(budget, name) for name, settings in asked.items() if settings.on_request and not only
    }
    left_out |= {} if has_gpu(main) else {name: _NO_GPU for name, settings in asked.items() if settings.gpu}
    used = dict.fromkeys(dataset for name in asked if name not in left_out for dataset in asked[name].datasets)
    reasons = {name: datasets[name].dataset.unavailable_reason() for name in used}
    unavailable = {name: reason for name, reason in reasons.items() if reason is not None}
    config = Config(budget, main, methods, datasets, asked, asked, unavailable, left_out)
    return replace(
        config, experiments={name: _without(asked[name], config.unavailable_reasons(name)) for name in asked}
    )


_ON_REQUEST = "only when named: `make reproduce BUDGET={} EXPERIMENTS={}`"
_NO_GPU = "needs a GPU, and there is none here (if the jobs run where there is one, say `device: cuda` in config.yaml)"


def _without(settings: Experiment, unavailable: Mapping[str, str]) -> Experiment:
    """The experiment without some data sets; without any, there is nothing to show."""
    left = tuple(name for name in settings.datasets if name not in unavailable)
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
    return {name: renamed(Experiment, overlay, where) for name, overlay in overlays.items()}


def _merge(base: Any, overlay: Any) -> Any:
    if isinstance(base, dict) and isinstance(overlay, dict):
        return {key: _merge(base.get(key), overlay[key]) if key in overlay else base[key] for key in base | overlay}
    return overlay


def _experiment(
    name: str, overlay: Any, methods: Mapping[str, NamedMethod], datasets: Mapping[str, NamedDataset]
) -> Experiment:
    where = Where(f"{FOLDER}/experiments/{check_plain(name, 'name', Where(f'{FOLDER}/experiments'))}.yaml")
    base = renamed(Experiment, load_yaml(Path(where.file)), where)
    check_keys(Experiment, base, where, partial=True)  # also where the overlay says something else
    merged = _merge(base, overlay)
    train_of = {m: _merge(merged.get("train"), changed) for m, changed in merged.get("train_of", {}).items()}
    settings = build(Experiment, merged | {"train_of": train_of}, where)
    if base.get("datasets") and not settings.datasets:  # the budget goes without it
        return replace(settings, tables={}, figures={})
    settings = replace(settings, datasets=_datasets(settings, datasets, where))
    check_experiment(name, settings, methods, where)
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
        check_network(name, datasets[name].dataset, settings.train, where)
    return tuple(found)
