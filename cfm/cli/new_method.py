"""`python -m cfm new-method NAME`: a method that runs at once, to be changed into one's own."""

from __future__ import annotations

from pathlib import Path

from cfm.artifacts.layout import METHOD_RULES
from cfm.config import available_experiments
from cfm.config.entries import FOLDER, load_methods
from cfm.config.registry import families
from cfm.config.strict import Where, check_plain
from cfm.errors import UserError
from cfm.files import write_text

_ENTRY = """
{name}:
  label: {name}
  family: {family}
{settings}
  experiments: [toy2d]
"""

_FAMILY = '''"""{name}: what is new about it, in a sentence.

    L(theta) = E |v_theta(t, xt) - (x1 - x0)|^2,  xt = (1 - t) x0 + t x1 + sigma eps

is what it minimises so far: I-CFM of the paper. Change `couple` (which points belong together) or `loss`; a method
that is no ODE overrides `sample`. All that may be overridden: cfm/methods/base.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cfm.methods.base import Batch, Method
from cfm.types import Indices, Points

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cfm.couplings.assignment import Potentials


@dataclass(frozen=True)
class {cls}(Method):
    """Its fields are the hyper-parameters in config/methods.yaml."""

    sigma: float

    def couple(
        self, x0: Points, x1: Points, rng: np.random.Generator, potentials: Potentials | None = None
    ) -> tuple[Indices, Indices]:
        every = np.arange(len(x0))
        return every, every

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        xt = (1 - batch.t) * batch.x0 + batch.t * batch.x1 + self.sigma * batch.eps
        return (batch.velocity(net, xt) - (batch.x1 - batch.x0)).square().mean(dim=(1, 2))


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

target = np.load(job["data"])["train_1"]
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


def new_method(name: str, rule: bool) -> list[Path]:
    """Write a method file or, with `rule`, a rule and its program, and the entry; returns what was written.

    `UserError`, and nothing is written, if the name is none or is taken.
    """
    check_plain(name, "name of a method", Where("new-method"))
    taken = {*load_methods(available_experiments()), *families("methods"), "base"}
    family = Path("cfm/methods") / f"{name}.py"
    texts = {family: _FAMILY.format(name=name, cls="".join(word.title() for word in name.split("_")))}
    settings = "  sigma: 0.1"
    if rule:
        up = "../" * len(METHOD_RULES.parts)
        texts = {
            METHOD_RULES / f"{name}.smk": _RULE.format(name=name, rules=METHOD_RULES.as_posix(), up=up),
            METHOD_RULES / f"{name}.py": _PROGRAM.format(name=name),
        }
        settings = "  parameters: {}"
    if name in taken or any(path.exists() for path in texts):
        raise UserError(f"new-method: there is a method '{name}' already")
    entries = FOLDER / "methods.yaml"
    entry = _ENTRY.format(name=name, family="external" if rule else name, settings=settings)
    for path, text in texts.items():
        write_text(path, text)
    write_text(entries, entries.read_text(encoding="utf-8") + entry)
    return [*texts, entries]
