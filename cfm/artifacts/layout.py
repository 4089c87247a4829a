"""Where every file lives: the one place that spells the paths below results/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

METHOD_RULES = Path("workflow/rules/methods")  # of external methods, a file for each

# In the folder of a run.
MODEL, TRAINING_LOG = "model.safetensors", "train.csv"
SPEC, METRICS, PROVENANCE = "spec.json", "metrics.json", "provenance.json"
RUN_FILES = (SPEC, METRICS, PROVENANCE)  # what `evaluate` writes

TABLE_SUFFIXES = ("csv", "md", "tex")
CLAIM_SUFFIXES = ("csv", "md")


class Run(NamedTuple):
    """A method on a data set with a seed, in some experiment."""

    dataset: str
    method: str
    seed: int

    def __str__(self) -> str:
        return f"{self.dataset}/{self.method}/seed={self.seed}"


def samples_path(run: Path, solver: str) -> Path:
    """The samples of a solver, in the folder of a run."""
    return run / "samples" / f"{solver}.npz"


@dataclass(frozen=True)
class Layout:
    """Paths of one budget."""

    results: str
    budget: str

    @property
    def root(self) -> Path:
        return Path(self.results) / self.budget

    def experiment(self, experiment: str) -> Path:
        return self.root / experiment

    def data(self, experiment: str, dataset: str) -> Path:
        """The prepared samples of a data set, at the sizes of the experiment."""
        return self.root / experiment / dataset / "data.npz"

    def run(self, experiment: str, dataset: str, method: str, seed: int | str) -> Path:
        """The folder of one run."""
        return self.root / experiment / dataset / method / f"seed={seed}"

    def source_target(self, experiment: str, dataset: str, seed: int | str) -> Path:
        """How far the source of a seed is from the target."""
        return self.root / experiment / dataset / "source_target" / f"seed={seed}.json"

    def groups(self, experiment: str) -> Path:
        """Which seeds share a process where that is not as config/ has it."""
        return self.root / experiment / ".seeds.json"

    def runs(self, experiment: str) -> Path:
        return self.root / experiment / "runs.csv"

    def kept_provenance(self, experiment: str) -> Path:
        """Of all runs of an experiment that are kept in the repository."""
        return self.root / experiment / PROVENANCE

    def table(self, experiment: str, table: str, suffix: str) -> Path:
        return self.root / experiment / "tables" / f"{table}.{suffix}"

    def figure(self, experiment: str, figure: str, dataset: str | None, suffix: str) -> Path:
        """A figure of one data set, or of all."""
        name = figure if dataset is None else f"{figure}_{dataset}"
        return self.root / experiment / "figures" / f"{name}.{suffix}"

    def failed_figure(self, experiment: str, figure: str, dataset: str | None) -> Path:
        """Why a figure, of one data set or of all, could not be drawn."""
        return self.figure(experiment, figure, dataset, "failed.txt")

    def claims(self, suffix: str) -> Path:
        """The verdicts on the paper's statements."""
        return self.root / f"claims.{suffix}"

    @property
    def report(self) -> Path:
        """The page that shows all results."""
        return self.root / "report.html"

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def resume(self, identity: str, seeds: tuple[int, ...]) -> Path:
        """The state of unfinished training, unknown to Snakemake, which deletes what failed jobs wrote."""
        return self.root / ".resume" / f"{identity}-{'-'.join(map(str, seeds))}.safetensors"
