"""Where every file lives: the one place that spells the paths below results/."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

METHOD_RULES = Path("workflow/rules/methods")  # of external methods, a file for each


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

    def samples(self, run: Path, solver: str) -> Path:
        return run / "samples" / f"{solver}.npz"

    def runs(self, experiment: str) -> Path:
        return self.root / experiment / "runs.csv"

    def table(self, experiment: str, table: str, suffix: str) -> Path:
        return self.root / experiment / "tables" / f"{table}.{suffix}"

    def figure(self, experiment: str, figure: str, dataset: str | None, suffix: str) -> Path:
        """A figure of one data set, or of all."""
        name = figure if dataset is None else f"{figure}_{dataset}"
        return self.root / experiment / "figures" / f"{name}.{suffix}"

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


RUN_FILES = ("spec.json", "metrics.json", "provenance.json")
TABLE_SUFFIXES = ("csv", "md", "tex")
CLAIM_SUFFIXES = ("csv", "md")
