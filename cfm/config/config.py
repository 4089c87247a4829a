"""Everything that config/ says, for one budget: what is run on what, and why something is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cfm.artifacts.groups import ANY, SOURCE_TARGET, made_groups
from cfm.artifacts.layout import Layout, Run
from cfm.config.entries import FOLDER, NamedDataset, NamedMethod
from cfm.config.roster import Roster
from cfm.config.seeds import cut, groups
from cfm.config.selection import Selection
from cfm.config.strict import Where, check_name
from cfm.device import present
from cfm.errors import UserError
from cfm.fingerprint import as_json, canonical
from cfm.methods.base import Method
from cfm.settings import Experiment, Main, Solver, Training, widest

BUDGETS = ("smoke", "quick", "paper")


@dataclass(frozen=True)
class Config:
    """Everything that config/ says, for one budget.

    `asked` are the experiments as it says them; `experiments` are these without the data sets that cannot be had on
    this machine (`unavailable`, with the reason) and without those experiments that it cannot do or that nobody named
    (`left_out`). Where a user has `chosen` some of it, both have that alone, and `rosters` all that might be.
    `beyond`: finished runs that count too (cfm/workflow/finished.py); `experiments` then has what they are runs of.
    """

    budget: str
    main: Main
    methods: Mapping[str, NamedMethod]
    datasets: Mapping[str, NamedDataset]
    experiments: Mapping[str, Experiment]
    asked: Mapping[str, Experiment]
    unavailable: Mapping[str, str]
    left_out: Mapping[str, str]
    rosters: Mapping[str, Roster] = field(default_factory=dict)
    chosen: Selection = field(default_factory=Selection)
    beyond: Mapping[str, frozenset[Run]] = field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        return Layout(self.main.results, self.budget)

    def gpus(self, experiment: str, stage: str) -> int:
        """How many GPUs a job takes: those of config.yaml in a training that needs one, else one; none on a CPU."""
        if not has_gpu(self.main):
            return 0
        return self.main.gpus if stage == "train" and self.asked[experiment].gpu else 1

    def unavailable_reasons(self, experiment: str) -> dict[str, str]:
        """The data sets that an experiment goes without, each with the reason."""
        reasons = {
            name: self.left_out.get(experiment, self.unavailable.get(name)) for name in self.asked[experiment].datasets
        }
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def whole(self) -> Config:
        """The same with all data sets, had or not: for what was run on another machine."""
        return replace(self, experiments=self.asked, unavailable={}, left_out={})

    def methods_of(self, experiment: str) -> list[str]:
        """Names of the methods that take part, in the order of methods.yaml."""
        chosen = self.experiments[experiment].methods
        members = [name for name, method in self.methods.items() if experiment in method.entry.experiments]
        return [name for name in members if name in chosen or not chosen]

    def skip_reason(self, dataset: str, method: str) -> str | None:
        """Why the method cannot run on the data set; None if it can."""
        return self.methods[method].method.skip_reason(self.datasets[dataset].dataset)

    def method_on(self, dataset: str, method: str) -> Method:
        """The method as it is on the data set."""
        return self.methods[method].method.on(self.datasets[dataset].dataset)

    def pairs(self, experiment: str) -> list[tuple[str, str]]:
        """The (data set, method) pairs of an experiment that can run."""
        return [
            (dataset, method)
            for dataset in self.experiments[experiment].datasets
            for method in self.methods_of(experiment)
            if self.skip_reason(dataset, method) is None and self.seeds(experiment, dataset, method)
        ]

    def seeds(self, experiment: str, dataset: str, method: str) -> tuple[int, ...]:
        """The seeds of the runs of a method on a data set: what is asked for, and what is finished beside that."""
        every, beyond = self.experiments[experiment].seeds, self.beyond.get(experiment)
        if not beyond:
            return every
        asked = self.asked[experiment]
        there = dataset in asked.datasets and dataset not in self.unavailable
        if not there or method not in (asked.methods or self.methods):
            return tuple(seed for seed in every if Run(dataset, method, seed) in beyond)
        return tuple(seed for seed in every if seed in asked.seeds or Run(dataset, method, seed) in beyond)

    def first_seed(self, experiment: str, dataset: str) -> int:
        """The first seed that a run on the data set has: what pictures of points are of."""
        seeds, beyond = self.experiments[experiment].seeds, self.beyond.get(experiment)
        if not beyond:
            return seeds[0]
        methods = [method for name, method in self.pairs(experiment) if name == dataset]
        there = {seed for method in methods for seed in self.seeds(experiment, dataset, method)}
        return next((seed for seed in seeds if seed in there), seeds[0])

    def runs(self, experiment: str) -> dict[Run, Path]:
        """The folder of every run of an experiment, done or not."""
        return {
            Run(dataset, method, seed): self.layout.run(experiment, dataset, method, seed)
            for dataset, method in self.pairs(experiment)
            for seed in self.seeds(experiment, dataset, method)
        }

    def require(self, experiment: str, dataset: str, method: str | None = None) -> None:
        """`UserError` unless the data set (and the method) belong to the experiment and go together."""
        where = Where(f"{FOLDER}/experiments/{experiment}.yaml")
        check_name(experiment, self.experiments, "experiment", Where("--experiment"))
        check_name(dataset, self.asked[experiment].datasets, "data set", where / "datasets")
        if dataset in self.unavailable_reasons(experiment):
            raise UserError(f"{dataset}: {self.unavailable_reasons(experiment)[dataset]}")
        if method is not None:
            present = self.methods_of(experiment)
            if method in self.methods and method not in present:
                raise UserError(
                    f"{method} takes no part in {experiment} at budget '{self.budget}': see `experiments` in "
                    f"{self.methods[method].where}; valid: {', '.join(present)}"
                )
            check_name(method, present, "method", Where(f"{FOLDER}/methods.yaml"))
            reason = self.skip_reason(dataset, method)
            if reason:
                possible = [m for d, m in self.pairs(experiment) if d == dataset]
                raise UserError(
                    f"{self.methods[method].where}: cannot run on '{dataset}': {reason}; "
                    f"valid there: {', '.join(possible)}"
                )

    def training(self, experiment: str, method: str) -> Training | None:
        """The training settings of a method; None if it is not trained."""
        settings = self.experiments[experiment]
        trained = self.methods[method].method.trained and settings.objective is None
        return settings.train_of.get(method, settings.train) if trained else None

    def solvers(self, experiment: str, method: str) -> dict[str, Solver]:
        """The solvers of a method; without the large test set unless it is named to take that, or the user's own."""
        settings = self.experiments[experiment]
        if method in (settings.large_test or self.methods) or self.methods[method].mine:
            return settings.solvers
        return {name: replace(solver, points="test") for name, solver in settings.solvers.items()}

    def needs_distances(self, experiment: str) -> bool:
        """Does a metric ask how far source and target are apart?"""
        return "npe" in self.experiments[experiment].metrics

    def evaluated_points(self, experiment: str) -> str:
        """`test`, or `all` where a solver carries the large test set too."""
        return widest(self.experiments[experiment].solvers.values())

    def spec(self, stage: str, experiment: str, dataset: str, method: str | None = None) -> str:
        """The resolved settings a stage depends on (its own and those before it) as canonical JSON."""
        settings = self.experiments[experiment]
        data = self.datasets[dataset]
        parts: dict[str, Any] = {"dataset": {"family": data.entry.family, **as_json(data.dataset)}}
        parts["sizes"] = settings.sizes
        if method is not None:
            chosen = self.methods[method]
            parts["method"] = {"family": chosen.entry.family, **as_json(self.method_on(dataset, method))}
            parts["train"] = self.training(experiment, method)
            parts["objective"] = settings.objective
            if chosen.method.teacher is not None:
                parts["teacher"] = json.loads(self.spec("train", experiment, dataset, chosen.method.teacher))
        if stage in ("sample", "evaluate") and method is not None:
            parts["solvers"] = self.solvers(experiment, method)
        if stage == "evaluate":
            parts["metrics"] = settings.metrics
        return canonical(parts)

    def chunks(self, experiment: str, dataset: str, method: str | None = None) -> list[tuple[int, ...]]:
        """The seeds of a method on a data set in groups that share a process; without a method those of the data set's
        own jobs. Groups that are made stay as they are; others are of the experiment's size."""
        settings, cells = self.experiments[experiment], self.cells(experiment)
        wanted = settings.seeds if method is None else self.seeds(experiment, dataset, method)
        where = ANY if method is not None and self.methods[method].external else dataset
        made = made_groups(self.layout, experiment, where, method or SOURCE_TARGET, cells, wanted)
        return groups(cells, settings.seeds_per_job, wanted, made)

    def job(self, experiment: str, chunk: tuple[int, ...]) -> str:
        """The end of the name of the rules for a group of seeds: its first seed, or all if it is not a usual group."""
        return f"{experiment}_{chunk[0] if chunk in self.cells(experiment) else '_'.join(map(str, chunk))}"

    def cells(self, experiment: str) -> list[tuple[int, ...]]:
        """The experiment's own seeds in the groups that share a process by default."""
        own = self.rosters[experiment].settings
        return cut(own.seeds, own.seeds_per_job)


def has_gpu(main: Main) -> bool:
    """Whether jobs are to use one; with `cuda` wherever they run, which may be elsewhere."""
    return main.device == "cuda" or (main.device == "auto" and present())
