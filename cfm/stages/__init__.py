"""The pipeline's stages: each reads files, calls the mathematics, and writes files. Here is the list of them."""

from __future__ import annotations

from typing import NamedTuple


class Stage(NamedTuple):
    """A stage is a verb, and a rule in workflow/rules/{rules}.smk.

    `module`: where its code begins, below cfm; what families and kinds it runs is added for each job. `of_runs`: it is
    made for a method and seeds. `of_metrics`: it computes or shows metrics, so that an edit of one runs it again.
    """

    rules: str
    module: str
    reads: str
    writes: str
    of_runs: bool = False
    of_metrics: bool = False


_MEASURED = "`metrics.json`, `spec.json`, `provenance.json`"
_APART = "`source_target/seed=….json`"
_PICTURES = "`figures/{figure}.png`, `.pdf`, `.gif`, `.md`"
STAGES = {
    "data": Stage("data", "stages.data", "settings, files of data", "`data.npz`"),
    "source-target": Stage("source_target", "stages.source_target", "`data.npz`", _APART),
    "train": Stage("train", "stages.train", "`data.npz`, a teacher", "`model.safetensors`, `train.csv`", True),
    "sample": Stage("sample", "stages.sample", "`data.npz`, `model.safetensors`", "`samples/{solver}.npz`", True),
    "evaluate": Stage("evaluate", "stages.evaluate", f"`samples/{{solver}}.npz`, {_APART}", _MEASURED, True, True),
    "objective": Stage("objective", "stages.objective", "`data.npz`", _MEASURED, True),
    "collect": Stage("tables", "stages.collect", "`metrics.json` of all runs", "`runs.csv`", of_metrics=True),
    "table": Stage(
        "tables", "results.tables.base", "`runs.csv`", "`tables/{table}.csv`, `.md`, `.tex`", of_metrics=True
    ),
    "figure": Stage("figures", "results.figures.base", "samples or `runs.csv`", _PICTURES, of_metrics=True),
    "claims": Stage(
        "claims", "results.claims.report", "every `runs.csv`", "`claims.csv`, `claims.md`", of_metrics=True
    ),
    "report": Stage("report", "results.report.page", "all of these", "`report.html`", of_metrics=True),
}
OF_RUNS = tuple(verb for verb, stage in STAGES.items() if stage.of_runs)
