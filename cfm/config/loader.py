"""Loading and checking config/: one frozen `Config`, or one line that says what is wrong and where.

Nothing here imports torch: the check takes a fraction of a second and comes before any job.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from cfm.config.config import BUDGETS, Config, has_gpu
from cfm.config.entries import FOLDER, NamedDataset, NamedMethod, available_experiments, load_datasets, load_methods
from cfm.config.experiments import check, overlays, roster
from cfm.config.roster import select
from cfm.config.selection import Selection
from cfm.config.strict import Where, build, check_name, load_yaml
from cfm.errors import UserError
from cfm.settings import Experiment, Main

ALL = Selection()


def load(budget: str, only: tuple[str, ...] = (), chosen: Selection = ALL) -> Config:
    """The configuration of a budget, all of it checked; `only` restricts the enabled experiments, and `chosen` what is
    run of them."""
    check_name(budget, BUDGETS, "budget", Where("BUDGET"))
    main, available = _main(), available_experiments()
    for name in only:
        check_name(name, available, "experiment", Where("EXPERIMENTS"))
    methods, datasets, changed = load_methods(available), load_datasets(), overlays(budget, available)
    rosters = {name: roster(name, changed.get(name, {}), methods, datasets) for name in only or main.experiments}
    asked = {name: found.settings for name, found in rosters.items()}
    if chosen != ALL:
        asked = select(
            rosters,
            chosen,
            only,
            datasets,
            methods,
            lambda: {name: roster(name, changed.get(name, {}), methods, datasets) for name in available},
        )
        for name, settings in asked.items():
            if settings.datasets:
                check(name, settings, methods, datasets)
    asked = {name: _shown(settings, rosters[name].datasets) for name, settings in asked.items()}
    left_out = {
        name: _ON_REQUEST.format(budget, name) for name, settings in asked.items() if settings.on_request and not only
    }
    left_out |= {} if has_gpu(main) else {name: _NO_GPU for name, settings in asked.items() if settings.gpu}
    used = dict.fromkeys(dataset for name in asked if name not in left_out for dataset in asked[name].datasets)
    reasons = {name: datasets[name].dataset.unavailable_reason() for name in used}
    unavailable = {name: reason for name, reason in reasons.items() if reason is not None}
    config = Config(budget, main, methods, datasets, asked, asked, unavailable, left_out, rosters, chosen)
    return replace(
        config, experiments={name: _without(asked[name], config.unavailable_reasons(name)) for name in asked}
    )


def load_cell(budget: str, experiment: str, dataset: str, method: str | None = None) -> Config:
    """The configuration of one experiment for a cell of its tables: who is named takes part at every budget."""
    config = load(budget, (experiment,))
    known, asked = config.rosters[experiment], config.asked[experiment]
    by_default = dataset in asked.datasets and (method is None or method in (asked.methods or known.methods))
    if by_default or dataset not in known.datasets or not (method is None or method in known.methods):
        return config  # whose `require` says what there is, if that is not it
    return load(budget, (experiment,), Selection((dataset,), () if method is None else (method,)))


_ON_REQUEST = "only when named: `make reproduce BUDGET={} EXPERIMENTS={}`"
_NO_GPU = "needs a GPU, and there is none here (if the jobs run where there is one, say `device: cuda` in config.yaml)"


def _main() -> Main:
    """config.yaml, checked."""
    path = FOLDER / "config.yaml"
    main = build(Main, load_yaml(path), Where(str(path)))
    for key, count in (("coupling_workers", main.coupling_workers), ("gpus", main.gpus)):
        if count < 1:
            raise UserError(f"{path}: {key}: 1 or more is expected, got {count}")
    if not re.fullmatch(r"[A-Za-z0-9_./+=][A-Za-z0-9_./+=-]*", main.results):
        raise UserError(f"{path}: results: a path of letters, digits and ./_+=- is expected, got '{main.results}'")
    for name in main.experiments:
        check_name(name, available_experiments(), "experiment", Where(str(path)) / "experiments")
    return main


def _shown(settings: Experiment, every: tuple[str, ...]) -> Experiment:
    """The experiment; without data sets, of which it has some at other budgets, there is nothing to show."""
    return replace(settings, tables={}, figures={}) if every and not settings.datasets else settings


def _without(settings: Experiment, unavailable: Mapping[str, str]) -> Experiment:
    """The experiment without some data sets."""
    left = tuple(name for name in settings.datasets if name not in unavailable)
    return _shown(replace(settings, datasets=left), settings.datasets)


def as_filed(name: str, methods: Mapping[str, NamedMethod], datasets: Mapping[str, NamedDataset]) -> Experiment:
    """An experiment as its own file has it, whatever the budget."""
    return roster(name, {}, methods, datasets).settings
