"""The pipeline's stages: each reads files, calls the mathematics, and writes files. Here is the list of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A stage is a verb, and a rule in workflow/rules/{rules}.smk.

    `module`: where its code begins; what families and kinds it runs is added for each job. `of_runs`: it is made for a
    method and seeds. `of_metrics`: it computes or shows metrics, so that an edit of one runs it again.
    """

    verb: str
    rules: str
    module: str
    reads: str
    writes: str
    of_runs: bool = False
    of_metrics: bool = False


STAGES = {
    stage.verb: stage
    for stage in (
        Stage("data", "data", "cfm.stages.data", "settings, files of data", "`data.npz`"),
        Stage(
            "train",
            "train",
            "cfm.stages.train",
            "`data.npz`, a teacher's `model.safetensors`",
            "`model.safetensors`, `train.csv`",
            of_runs=True,
        ),
        Stage(
            "sample",
            "sample",
            "cfm.stages.sample",
            "`data.npz`, `model.safetensors`",
            "`samples/{solver}.npz`",
            of_runs=True,
        ),
        Stage(
            "source-target",
            "source_target",
            "cfm.stages.source_target",
            "`data.npz`",
            "`source_target/seed={seed}.json`",
        ),
        Stage(
            "evaluate",
            "evaluate",
            "cfm.stages.evaluate",
            "`data.npz`, `samples/{solver}.npz`, `source_target/seed={seed}.json`",
            "`metrics.json`, `spec.json`, `provenance.json`",
            of_runs=True,
            of_metrics=True,
        ),
        Stage(
            "objective",
            "objective",
            "cfm.stages.objective",
            "`data.npz`",
            "`metrics.json`, `spec.json`, `provenance.json`",
            of_runs=True,
        ),
        Stage("collect", "tables", "cfm.stages.collect", "`metrics.json` of all runs", "`runs.csv`", of_metrics=True),
        Stage(
            "table",
            "tables",
            "cfm.results.tables.base",
            "`runs.csv`, `config/paper.yaml`",
            "`tables/{table}.csv`, `.md`, `.tex`",
            of_metrics=True,
        ),
        Stage(
            "figure",
            "figures",
            "cfm.results.figures.base",
            "`data.npz`, samples, `train.csv` or `runs.csv`",
            "`figures/{figure}.png`, `.pdf`, `.gif`, `.md`",
            of_metrics=True,
        ),
        Stage(
            "claims",
            "claims",
            "cfm.results.claims.report",
            "`runs.csv` of all experiments, `config/claims.yaml`",
            "`claims.csv`, `claims.md`",
            of_metrics=True,
        ),
        Stage("report", "report", "cfm.results.report.page", "all of these", "`report.html`", of_metrics=True),
    )
}
OF_RUNS = tuple(name for name, stage in STAGES.items() if stage.of_runs)
