"""`python -m cfm new-method NAME`: a method that runs at once, to be changed into one's own."""

from __future__ import annotations

from pathlib import Path

from cfm.artifacts.layout import METHOD_RULES
from cfm.config import Config
from cfm.config.entries import MINE
from cfm.config.registry import families
from cfm.config.strict import Where, check_plain
from cfm.errors import UserError
from cfm.files import write_text

_ENTRY = """methods:
  {name}:
    label: {name}
    family: {family}
    {settings}
    experiments: [{experiment}]
"""

_FAMILY = '''"""{name}: what is new about it, in a sentence.

    L(theta) = E |v_theta(t, xt) - (x1 - x0)|^2,  xt = (1 - t) x0 + t x1 + sigma eps

is what it minimises so far: I-CFM of the paper. Change `couple` (which points belong together) or `loss`; a method
that is no ODE overrides `sample`. All that may be overridden: cfm/methods/base.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cfm.methods.base import Batch, Method
from cfm.types import Indices, Points

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cfm.couplings.assignment import Potentials


@dataclass(frozen=True)
class {cls}(Method):
    """Its fields are the hyper-parameters of its entry in config/mine."""

    sigma: float

    time_course: ClassVar[bool] = True  # one network learns all intervals of a time course

    def couple(
        self, x0: Points, x1: Points, rng: np.random.Generator, potentials: Potentials | None = None
    ) -> tuple[Indices, Indices]:
        every = np.arange(len(x0))
        return every, every

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        xt = (1 - batch.t) * batch.x0 + batch.t * batch.x1 + self.sigma * batch.eps
        ut = batch.rate(batch.x1 - batch.x0)  # slower where an interval of a time course takes longer
        return (batch.velocity(net, xt) - ut).square().mean(dim=(1, 2))


METHOD = {cls}
'''

_RULE = '''"""{name}: an external method (docs/adding.md).

Input: `data.npz`. Output per seed: `samples/{{solver}}.npz`.
"""

for experiment, seeds in external_chunks("{name}"):

    rule:
        name:
            f"{name}_{{experiment}}_{{seeds[0]}}"
        input:
            str(LAYOUT.data(experiment, "{{dataset}}")),
        output:
            external_samples("{name}", experiment, seeds),
        log:
            str(LAYOUT.log(f"{{experiment}}/{{{{dataset}}}}/{name}-sample-{{seeds[0]}}")),
        conda:
            "{up}envs/cfm.yaml"
        threads: 1
        resources:
            mem_mb=memory(2000),
            runtime=minutes("train"),
        params:
            **external_parameters("{name}", experiment, seeds, "{rules}/{name}.py"),
        message:
            "{name} on {{params.experiment}}/{{wildcards.dataset}}, seeds {{params.seeds}}"
        shell:
            f"{{EXTERNAL_COMMAND}} -- python {rules}/{name}.py > {{{{log}}}} 2>&1"
'''

_PROGRAM = '''"""{name}: python {name}.py JOB.json; what is in a job, and what is to be written, is in docs/adding.md.

So far every point is moved by the same vector, from the mean of the source to that of the target.
"""

import json
import sys
import time

import numpy as np

with open(sys.argv[1], encoding="utf-8") as file:
    job = json.load(file)

data = np.load(job["data"])
end = next(k for k, t in enumerate(data["times"]) if t >= data["span"][1])  # 1 but in a time course
target = data[f"train_{{end}}"]
for run in job["runs"]:
    start = np.load(run["start"])["x0"]
    for name, solver in job["solvers"].items():
        began = time.perf_counter()
        x0 = start[: solver["points"]]
        x1 = x0 + (target.mean(axis=0) - x0.mean(axis=0))
        np.savez(
            run["samples"][name],
            x0=x0,
            trajectory=np.stack([x0, x1]),
            t=np.array([0.0, 1.0], dtype=np.float32),
            nfe=0,
            seconds=time.perf_counter() - began,
        )
'''


def new_method(config: Config, name: str, experiment: str, rule: bool) -> list[Path]:
    """Write a method file or, with `rule`, a rule and its program, and the entry; returns what was written.

    `UserError`, and nothing is written, if the name is none or is taken, or if what is written would not run there.
    """
    check_plain(name, "name of a method", Where("new-method"))
    _check_runs(config, experiment, rule)
    family, entry = Path("cfm/methods") / f"{name}.py", MINE / f"{name}.yaml"
    cls = "".join(word.title() for word in name.split("_"))
    texts = {family: _FAMILY.format(name=name, cls=cls)}
    settings = "sigma: 0.1"
    if rule:
        up = "../" * len(METHOD_RULES.parts)
        texts = {
            METHOD_RULES / f"{name}.smk": _RULE.format(name=name, rules=METHOD_RULES.as_posix(), up=up),
            METHOD_RULES / f"{name}.py": _PROGRAM.format(name=name),
        }
        settings = "parameters: {}"
    if name in {*config.methods, *families("methods"), "base"} or any(path.exists() for path in texts):
        raise UserError(f"new-method: there is a method '{name}' already")
    if entry.exists():
        raise UserError(f"new-method: {entry} is there already: choose another name")
    texts[entry] = _ENTRY.format(
        name=name, family="external" if rule else name, settings=settings, experiment=experiment
    )
    for path, text in texts.items():
        write_text(path, text)
    return [*texts]


def next_commands(config: Config, name: str, experiment: str) -> list[str]:
    """What to type next, a line each: the check, the comparison with a method that is there, and last the cheapest run:
    one seed on one data set."""
    roster = config.rosters[experiment]
    names = config.experiments[experiment].datasets or roster.settings.datasets or roster.datasets
    there = [d for d in names if config.datasets[d].dataset.unavailable_reason() is None]
    dataset = (there or [*names])[0]
    trained = [m for m in roster.methods if config.methods[m].method.trained and not config.methods[m].external]
    fit = [m for m in trained if config.skip_reason(dataset, m) is None]
    other = next((m for m in fit if m.startswith("otcfm")), next(iter(fit), None))
    make = "make reproduce" + ("" if config.budget == "quick" else f" BUDGET={config.budget}")
    lines = [f"check it: python -m cfm check-method {name}"]
    if experiment in config.left_out:
        lines.append(f"note: {experiment}: {config.left_out[experiment]}")
    if other is not None:
        where = f"DATASETS={dataset} SEEDS=10"
        lines.append(f'compare: {make} EXPERIMENTS={experiment} METHODS="{name} {other}" {where}')
    return [*lines, f"run it: {make} EXPERIMENTS={experiment} METHODS={name} DATASETS={dataset} SEEDS=1"]


def _check_runs(config: Config, experiment: str, rule: bool) -> None:
    """`UserError` if the skeleton has nothing to do in the experiment."""
    roster = config.rosters[experiment]
    if not roster.datasets:
        raise UserError(f"--experiment: nothing is run in '{experiment}': name another one")
    if roster.settings.objective is not None:
        raise UserError(
            f"--experiment: '{experiment}' measures conditional paths, and what is written here has none: name another "
            "one, or write an entry with family flow_matching"
        )
    if rule and roster.settings.train is not None and roster.settings.train.unet is not None:
        raise UserError(
            f"--rule: the program that is written reads points, and the data of '{experiment}' are pictures: go without"
        )
