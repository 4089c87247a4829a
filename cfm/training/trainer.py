"""Stochastic gradient training of several seeds in one process, resumable to the bit."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from cfm.artifacts.training_log import Row
from cfm.datasets.base import Prepared
from cfm.errors import RunFailed, UserError
from cfm.files import read_tensors, write_tensors
from cfm.methods.base import Batch, Method
from cfm.nets.stacked import initialise, load, named_layers, parts
from cfm.rng import stream
from cfm.settings import Training
from cfm.training.batches import COLUMNS, Pairs, PairSampler, validation_pairs
from cfm.training.data_parallel import join
from cfm.training.history import History
from cfm.training.learning_curve import Distances, due, validation_distances
from cfm.training.optimiser import Optimiser
from cfm.training.prefetch import Prefetch

_WARM = 20  # steps after which the speed is measured, over as many
_LONG = 0.25  # hours of training that are foretold


class Trainer:
    """Networks, optimiser and history of a stack of seeds; `run` trains, saving itself at every check.

    `workers` processes draw and couple the pairs ahead of the network; none: it is done in turn. `teachers`: the
    named layers that a seed starts from, in place of random ones.
    """

    def __init__(
        self,
        method: Method,
        data: Prepared,
        settings: Training,
        seeds: Sequence[int],
        device: torch.device,
        state: Path,
        workers: int = 0,
        teachers: Mapping[int, Mapping[str, Tensor]] = MappingProxyType({}),
    ) -> None:
        self.method, self.settings, self.seeds = method, settings, list(seeds)
        self.data = method.view(data)
        self.share = join(device, settings.batch_size)
        self.sampler = replace(
            PairSampler.of(method, self.data, settings.batch_size), flip=bool(settings.random_flip), share=self.share
        )
        self.device, self.state, self.workers = device, state, workers
        self.net = method.network(len(seeds), data.dim, settings)
        self.parts = parts(self.net)
        initialise(self.net, seeds)
        for seed, layers in teachers.items():
            load(self.net, self.seeds.index(seed), layers)
        self.net.to(device)
        self.optimiser = Optimiser(self.net, settings, self.share)
        self.best = self.optimiser.theta()
        self.history = History.empty(len(seeds))
        self.step = 0
        self._refreshed = -1  # the step before which the networks last drew their own pairs
        self._seconds = [[0.0, 0.0, 0.0] for _ in seeds]
        self._seconds_before = copy.deepcopy(self._seconds)
        self._measuring = [0.0 for _ in seeds]
        self._loss_sum = torch.zeros(len(seeds), device=device)
        if state.exists():
            try:
                self._load()
            except (KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
                raise UserError(f"{state}: damaged ({type(error).__name__}); delete it and run again") from error

    def run(self, report: Callable[[int, int, str], None]) -> None:
        """Train to the last step; `report(step, steps, text)` after every check."""
        refresh_steps = self.method.refresh_steps(self.settings.steps)
        while self.step < self.settings.steps and len(self.history.failures) < len(self.seeds):
            if self.step in refresh_steps and self._refreshed != self.step:
                self._generate_pairs()
            self._run_until(
                min((step for step in refresh_steps if step > self.step), default=self.settings.steps), report
            )

    def _run_until(self, end: int, report: Callable[[int, int, str], None]) -> None:
        every, steps = self.settings.validate_every, self.settings.steps
        validation = self._pairs(lambda seed: validation_pairs(self.sampler, seed), "val")
        with Prefetch(self.sampler, self.seeds, self.step, end, self.workers) as prefetch:
            first, warm = self.step, 0.0
            while self.step < end and len(self.history.failures) < len(self.seeds):
                self.train_step(prefetch.take)
                if self.step == first + _WARM:
                    warm = time.perf_counter()
                elif self.step == first + 2 * _WARM:
                    self._foretell((time.perf_counter() - warm) / _WARM, report)
                if self.step % every == 0 or self.step == steps:
                    self._check(validation)
                    if self.share.first:
                        self._save()
                        report(self.step, steps, self._summary())

    def _foretell(self, seconds_per_step: float, report: Callable[[int, int, str], None]) -> None:
        """Say how long the rest will take, if that is long."""
        steps = self.settings.steps
        hours = (steps - self.step) * seconds_per_step / 3600
        if hours > _LONG and self.share.first:
            report(self.step, steps, f"{1000 * seconds_per_step:.0f} ms a step: about {hours:.1f} hours to go")

    def _generate_pairs(self) -> None:
        began, own = time.perf_counter(), {}
        for slot, seed in enumerate(self.seeds):
            if seed not in self.history.failures:
                try:
                    own[seed] = self.method.generate_pairs(
                        self._alone(slot), self.data, seed, self.step, self.settings.steps
                    )
                except RunFailed as error:
                    self.history.failures[seed] = str(error)
        self.sampler, self._refreshed = replace(self.sampler, generated=own), self.step
        self._share(0, time.perf_counter() - began)

    def train_step(self, take: Callable[[int, int], Pairs]) -> None:
        """One step of the optimiser for every seed, on the pairs `take(seed, step)`."""
        pairs = self._pairs(lambda seed: take(seed, self.step), "train")
        began = time.perf_counter()
        if self.settings.unet is not None and self.settings.unet.dropout:
            torch.manual_seed(int(stream(self.seeds[0], f"dropout/{self.share.rank}", self.step).integers(2**63)))
        trained_part = self.method.trained_part(self.step, self.settings.steps)
        loss = self.method.loss(self.net, stack(pairs, self.device), trained_part)
        self.optimiser.step(loss, self.step, trained_part)
        self._loss_sum += loss.detach()
        self.step += 1
        self._share(1, time.perf_counter() - began)
        for spent, of_seed in zip(self._seconds, pairs, strict=True):
            spent[0] += of_seed.coupling_seconds
            spent[1] += of_seed.drawing_seconds

    def work_seconds(self, slot: int) -> dict[str, float]:
        """What this process has spent on one seed: couplings, its share of network steps and checks, distances."""
        spent = np.subtract(self._seconds[slot], self._seconds_before[slot])
        network = float(spent[1] + spent[2])
        return {"coupling": float(spent[0]), "network": network, "distance": self._measuring[slot]}

    def layers(self, slot: int, which: str) -> dict[str, Tensor]:
        """Named tensors of one of a seed's networks, see `checkpoints`."""
        theta = self.best if which == "best" else self.optimiser.theta() if which == "last" else self.optimiser.average
        assert theta is not None
        return named_layers(self.net, {name: rows[slot] for name, rows in theta.items()})

    @property
    def checkpoints(self) -> list[str]:
        """The networks that there are: the one with the least validation loss, the last, and the average."""
        return ["best", "last"] if self.optimiser.average is None else ["best", "last", "average"]

    def _alone(self, slot: int) -> torch.nn.Module:
        net = self.method.network(1, self.data.dim, self.settings)
        load(net, 0, self.layers(slot, self.checkpoints[-1]))
        return net.to(self.device).eval()

    def _pairs(self, draw: Callable[[int], Pairs], split: str) -> list[Pairs]:
        """Every seed's pairs; zeros for those that have failed, so that the stack keeps its shape."""
        failures = self.history.failures
        pairs = []
        for seed in self.seeds:
            if seed not in failures:
                try:
                    pairs.append(draw(seed))
                    continue
                except RunFailed as error:
                    if self.share.count > 1:
                        raise UserError(
                            f"seed {seed}: {error} (and the other processes cannot go on without it)"
                        ) from None
                    failures[seed] = str(error)
            pairs.append(self.sampler.blank(split, self.data.target("train").shape[1:]))
        return pairs

    def _check(self, validation: list[Pairs]) -> None:
        began = time.perf_counter()
        self.net.eval()
        with torch.no_grad(), self.optimiser.looked_at():
            val_loss = self.method.validation_loss(self.net, stack(validation, self.device)).tolist()
        self.net.train()
        since = self.step - (self.history.rows[0][-1].step if self.history.rows[0] else 0)
        self.share.average([self._loss_sum])
        train_loss = (self._loss_sum / since).tolist()
        self._loss_sum.zero_()
        self._share(2, time.perf_counter() - began)
        shown = self.optimiser.shown()
        for slot, seed in enumerate(self.seeds):
            found = self._distances(slot, seed)
            row = Row(self.step, train_loss[slot], val_loss[slot], *self._seconds[slot])
            row.val_w2, row.val_frechet = found.w2, found.frechet
            self.history.rows[slot].append(row)
            if not math.isfinite(row.train_loss):
                self.history.failures.setdefault(seed, f"the loss is not finite by step {self.step}")
            if row.val_loss < self.history.best_loss[slot]:
                self.history.best_loss[slot], self.history.best_step[slot] = row.val_loss, self.step
                for name in self.parts:
                    self.best[name][slot] = shown[name][slot]

    def _distances(self, slot: int, seed: int) -> Distances:
        """On the validation set, at the checks of the learning curve; a measurement, no part of the training."""
        if seed in self.history.failures or not due(self.step, self.settings.validate_every, self.settings.steps):
            return Distances()
        began = time.perf_counter()
        found = validation_distances(self.method, self._alone(slot), self.data, seed)
        self._measuring[slot] += time.perf_counter() - began
        return found

    def _share(self, column: int, seconds: float) -> None:
        for spent in self._seconds:
            spent[column] += seconds / len(self.seeds)

    def _summary(self) -> str:
        losses = [rows[-1].val_loss for rows in self.history.rows]
        return "validation loss " + " ".join(f"{loss:.4g}" for loss in losses)

    def _save(self) -> None:
        tensors = self.optimiser.state() | {f"best.{name}": rows for name, rows in self.best.items()}
        for seed, own in self.sampler.generated.items():  # copied: seeds may share the stored source
            tensors |= {f"own.{seed}.{name}": torch.from_numpy(points.copy()) for name, points in own.arrays.items()}
        metadata = {"step": str(self.step), "round": str(self._refreshed), "history": self.history.to_json()}
        write_tensors(self.state, tensors, metadata)

    def _load(self) -> None:
        tensors, metadata = read_tensors(self.state)
        self.optimiser.load(tensors, self.device)
        self.best = {name: tensors[f"best.{name}"].to(self.device) for name in self.parts}
        own: dict[int, dict[str, np.ndarray]] = {}
        for key in (key for key in tensors if key.startswith("own.")):
            _, seed, name = key.split(".")
            own.setdefault(int(seed), {})[name] = tensors[key].numpy()
        prepared = {seed: Prepared(arrays, self.data.dim, False, paired=True) for seed, arrays in own.items()}
        self.sampler = replace(self.sampler, generated=prepared)
        self.step, self._refreshed = int(metadata["step"]), int(metadata["round"])
        self.history = History.from_json(metadata["history"])
        last = (rows[-1] for rows in self.history.rows)
        self._seconds = [[r.seconds_coupling, r.seconds_step, r.seconds_validation] for r in last]
        self._seconds_before = copy.deepcopy(self._seconds)


def stack(pairs: Sequence[Pairs], device: torch.device) -> Batch:
    """The batch of several seeds, on the device."""
    columns = {name: [getattr(p, name) for p in pairs] for name in COLUMNS if getattr(pairs[0], name) is not None}
    return Batch(**{name: torch.from_numpy(np.stack(column)).to(device) for name, column in columns.items()})
