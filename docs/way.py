"""The way of a number: a walk through the code that makes it."""

from __future__ import annotations

from typing import NamedTuple

MAIN_WAY = ("data", "train", "sample", "evaluate", "collect", "table")  # the verbs that no number gets around


class Hop(NamedTuple):
    """A step of the walk: its name, files with the names of functions or rules in them, and what happens there."""

    name: str
    where: tuple[tuple[str, str], ...]
    what: str


WALK = (
    Hop(
        "The question",
        (("Snakefile", "rule all"), ("workflow/rules/train.smk", "train_{CONFIG.job(experiment, seeds)}")),
        "`make reproduce` asks for `tables/table2.md` of the experiment `toy2d`, which `config/experiments/toy2d.yaml`"
        " describes. Snakemake finds out backwards what that needs, down to a training for each data set, method and"
        " chunk of seeds.",
    ),
    Hop(
        "The verb",
        (("cfm/cli/cells.py", "train"),),
        "The rule calls `python -m cfm train --experiment toy2d --dataset moons_8gaussians --method otcfm`. The verb"
        " has `config/` read and checked, and hands settings and paths to its stage. So do the verbs that follow.",
    ),
    Hop(
        "The stage",
        (("cfm/stages/train.py", "train"), ("cfm/training/trainer.py", "Trainer.train_step")),
        "It reads `data.npz`, lets the loop draw batches and take gradient steps for all seeds at once, and writes"
        " `model.safetensors`.",
    ),
    Hop(
        "The method and the solver",
        (
            ("cfm/methods/flow_matching.py", "FlowMatching.couple"),
            ("cfm/methods/flow_matching.py", "FlowMatching.loss"),
            ("cfm/solvers/ode.py", "integrate"),
        ),
        "The exact optimal plan pairs the moons of a batch with points of the eight Gaussians; the loss is the squared"
        " distance of the network from the path's velocity. Then the stage `sample` carries the test moons along the"
        " learnt field, 100 steps of rk4, and writes their paths and path energies to `samples/rk4.npz`.",
    ),
    Hop(
        "The metric",
        (("cfm/stages/source_target.py", "source_target"), ("cfm/metrics/path_energy.py", "npe")),
        "W2² between the test moons and the test points of the eight Gaussians was written once for all methods of the"
        " seed. The stage `evaluate` takes it and the samples: NPE = |path energy − W2²| / W2² goes to `metrics.json`.",
    ),
    Hop(
        "The runs",
        (("cfm/stages/collect.py", "collect"), ("cfm/artifacts/runs.py", "write_runs")),
        "The numbers of all runs become `runs.csv`, a row for each run, solver and metric. A run that failed is a row"
        " with its reason.",
    ),
    Hop(
        "The table",
        (("cfm/results/tables/comparison.py", "render"),),
        "Mean ± standard deviation over the seeds, the published value of `config/paper.yaml` and a verdict beside it"
        " are one cell of `tables/table2.md`.",
    ),
)
