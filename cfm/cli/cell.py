"""A cell of a table, a method on a data set of an experiment, as the verbs of its stages are handed it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cfm.config import Config, load_cell
from cfm.config.seeds import LARGEST
from cfm.errors import UserError
from cfm.fingerprint import digest
from cfm.methods.base import Method
from cfm.settings import Experiment
from cfm.workflow.progress import Progress
from cfm.workflow.stage_code import run_code


@dataclass(frozen=True)
class Cell:
    """Where the runs of some seeds are, and `spec`, the settings that their stage depends on, as text."""

    config: Config
    experiment: str
    dataset: str
    method: str
    runs: dict[int, Path]
    spec: str

    @classmethod
    def open(
        cls,
        stage: str,
        budget: str,
        experiment: str,
        dataset: str,
        method: str,
        seeds: Sequence[int] | None = None,
        spec: str | None = None,
    ) -> Cell:
        """The cell for a stage, of all seeds of the experiment unless some are named.

        `UserError` if there is none, or if its settings are no longer those whose digest is `spec`.
        """
        config = load_cell(budget, experiment, dataset, method)
        config.require(experiment, dataset, method)
        text = config.spec(stage, experiment, dataset, method)
        if spec is not None and spec != digest(text):
            raise UserError("the configuration has changed since the workflow started: run `make reproduce` again")
        chosen = named_seeds(config, experiment, seeds)
        runs = {seed: config.layout.run(experiment, dataset, method, seed) for seed in chosen}
        return cls(config, experiment, dataset, method, runs, text)

    @property
    def where(self) -> tuple[str, str, str]:
        """Experiment, data set, method."""
        return self.experiment, self.dataset, self.method

    @property
    def settings(self) -> Experiment:
        return self.config.experiments[self.experiment]

    @property
    def family(self) -> Method:
        """The method itself, with its hyper-parameters, as it is on the data set."""
        return self.config.method_on(self.dataset, self.method)

    @property
    def data(self) -> Path:
        """The prepared data set."""
        return self.config.layout.data(self.experiment, self.dataset)

    def code(self, stage: str) -> str:
        """Digest of the code that a stage runs for this cell."""
        return run_code(self.config, stage, self.dataset, self.method)

    def gpus(self, stage: str) -> int:
        """The GPUs that this process has to take; a process of torchrun is given its own."""
        return 0 if "LOCAL_RANK" in os.environ else self.config.gpus(self.experiment, stage)

    def progress(self, verb: str) -> contextlib.AbstractContextManager[Callable[[int, int, str], None]]:
        """Reports of a job of this cell."""
        return progress(self.config, verb, "/".join(self.where), self.runs)


@contextlib.contextmanager
def progress(config: Config, verb: str, where: str, seeds: Iterable[int]) -> Iterator[Callable[[int, int, str], None]]:
    """Reports of a job, in its log and for `status`, until it ends."""
    first, *rest = seeds
    span = f"{first}-{rest[-1]}" if rest else str(first)
    reports = Progress(config.layout.root / ".progress", f"{verb} {where} seeds {span}")
    try:
        yield reports
    finally:
        reports.close()


def named_seeds(config: Config, experiment: str, seeds: Sequence[int] | None) -> Sequence[int]:
    """Those that are asked for, all of the experiment by default; `UserError` if they are no seeds."""
    if seeds and (len({*seeds}) < len(seeds) or not all(0 <= seed < LARGEST for seed in seeds)):
        raise UserError(f"--seeds: different whole numbers, 0 or more, are expected, got {' '.join(map(str, seeds))}")
    return seeds or config.rosters[experiment].settings.seeds
