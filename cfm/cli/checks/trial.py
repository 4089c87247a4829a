"""A method on the plain problem: its first loss, trainings of a few steps, one that learns, and its samples."""

from __future__ import annotations

import contextlib
import copy
import functools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor, nn

from cfm.cli.checks.problem import TEXT, Gaussian, prepared, source
from cfm.config import Config
from cfm.device import choose
from cfm.errors import UserError
from cfm.methods.base import Method, Start
from cfm.nets.stacked import initialise, load
from cfm.rng import stream
from cfm.settings import Solver, Training
from cfm.solvers.trajectory import Trajectory
from cfm.training.batches import PairSampler, training_pairs
from cfm.training.trainer import Trainer, stack

_SETTINGS = Training(
    width=32, depth=2, batch_size=64, steps=600, learning_rate=5e-3, weight_decay=0, validate_every=100
)
# The game of two networks needs more steps, solving an ODE in each of them makes fewer do.
_SETTINGS_OF = {
    "icnn": replace(_SETTINGS, steps=3300, learning_rate=2e-3, betas=(0.5, 0.9)),
    "cnf": replace(_SETTINGS, steps=150),
}
# Batches of an odd size, where rounding may depend on how many seeds there are.
_SHORT = replace(_SETTINGS, steps=20, validate_every=10, batch_size=37)
SEEDS = (1, 2, 3)
_CPU = choose("cpu")


class NotApplicable(Exception):
    """A check says nothing about this method, for a reason."""


class _Stop(Exception):
    """Interrupts a training."""


@dataclass(frozen=True)
class Trial:
    """A method on the problem, with what its entry says.

    `skip_reasons`: of every data set of its experiments, why the method cannot run there, or None. `external`: its
    samples are written by a program outside this package.
    """

    method: Method
    settings: Training = _SETTINGS
    teacher: Trial | None = None
    experiments: Sequence[str] = ()
    skip_reasons: Mapping[str, str | None] = field(default_factory=dict)
    external: bool = False

    @classmethod
    def of(cls, config: Config, name: str) -> Trial:
        """Of an entry of methods.yaml."""
        named = config.methods[name]
        experiments = [e for e in named.entry.experiments if e in config.asked]
        datasets = dict.fromkeys(d for e in experiments for d in config.asked[e].datasets)
        return cls(
            named.method,
            _SETTINGS_OF.get(named.entry.family, _SETTINGS),
            None if named.method.teacher is None else cls.of(config, named.method.teacher),
            experiments,
            {dataset: config.skip_reason(dataset, name) for dataset in datasets},
            named.external,
        )

    def need(self, training: bool) -> None:
        """`NotApplicable` if the method is not tried on the problem, or is not trained where training is looked at."""
        if self.external:
            raise NotApplicable("its samples are checked when they are read: 'One external rule' in docs/adding.md")
        reason = self.method.skip_reason(Gaussian())
        if reason is not None:
            raise NotApplicable(f"not on {TEXT}: {reason}")
        if training and not self.method.trained:
            raise NotApplicable("nothing is trained")

    def first_loss(self, seeds: Sequence[int]) -> tuple[nn.Module, Tensor]:
        """The networks of some seeds before training, and their losses on the first batch."""
        net, data = self._network(seeds), prepared()
        sampler = PairSampler.of(self.method, data, self.settings.batch_size)
        if 0 in self.method.refresh_steps(1):
            own = {seed: self.method.generate_pairs(self._network([seed]), data, seed, 0, 1) for seed in seeds}
            sampler = replace(sampler, generated=own)
        batch = stack([training_pairs(sampler, seed, 0) for seed in seeds], _CPU)
        return net, self.method.loss(net, batch, self.method.trained_part(0, 1))

    def _network(self, seeds: Sequence[int]) -> nn.Module:
        net = self.method.network(len(seeds), 2, self.settings)
        initialise(net, seeds)
        return net

    def trained(self, seeds: Sequence[int], settings: Training = _SHORT, interrupted: bool = False) -> Trainer:
        """A finished training, by default of a few steps; if asked, interrupted and taken up again half-way."""
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "state"
            if interrupted:
                with contextlib.suppress(_Stop):
                    self._trainer(seeds, settings, state).run(_stop)
            trainer = self._trainer(seeds, settings, state)
            trainer.run(lambda *_: None)
        for seed, reason in trainer.history.failures.items():
            raise UserError(f"training fails for seed {seed}: {reason}")
        return trainer

    def _trainer(self, seeds: Sequence[int], settings: Training, state: Path) -> Trainer:
        taught = {} if self.teacher is None else dict.fromkeys(seeds, self.teacher.layers)
        method = copy.deepcopy(self.method)  # what a training leaves in it would not be there after a restart
        return Trainer(method, prepared(), settings, seeds, _CPU, state, teachers=taught)

    @functools.cached_property
    def together(self) -> Trainer:
        """The training of a few steps of all seeds."""
        return self.trained(SEEDS)

    @functools.cached_property
    def layers(self) -> dict[str, Tensor]:
        """Of the network of one seed after a training that is long enough to learn."""
        return self.trained([0], self.settings).layers(0, "last")

    def sample(self, n: int, trained: bool) -> Trajectory:
        """Source points carried by the network before or after training, or by the method alone if it needs none."""
        net = self._network([0]).eval() if self.method.trained else None
        if net is not None and trained:
            load(net, 0, self.layers)
        start = Start(source(n), Gaussian(), stream(5, "sample"), prepared())
        return self.method.sample(net, start, Solver("euler", steps=20))


def _stop(step: int, steps: int, text: str) -> None:
    raise _Stop
