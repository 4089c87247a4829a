"""Stochastic gradient training of several seeds in one process, resumable to the bit."""

from __future__ import annotations

import copy
import csv
import io
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cfm.batches import COLUMNS, Pairing, Pairs, validation_pairs
from cfm.datasets.base import Prepared
from cfm.errors import RunFailed
from cfm.methods.base import Batch, Method
from cfm.nets.mlp import StackedMLP
from cfm.resume import read_tensors, write_tensors
from cfm.settings import Training
from cfm.supply import Supply


@dataclass
class Row:
    """One line of train.csv; losses of one seed, seconds are this seed's share since the start."""

    step: int
    train_loss: float
    val_loss: float
    seconds_coupling: float
    seconds_step: float
    seconds_validation: float


@dataclass
class History:
    """What is known of each seed of the stack, by its place: rows, best step, reason of failure."""

    rows: list[list[Row]]
    best_step: list[int]
    best_loss: list[float]
    failures: dict[int, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, stack_size: int) -> History:
        return cls([[] for _ in range(stack_size)], [0] * stack_size, [math.inf] * stack_size)

    def seconds(self, place: int) -> float:
        """This seed's seconds so far: its own couplings, its share of steps (drawing included) and of checks."""
        if not self.rows[place]:
            return 0.0
        last = self.rows[place][-1]
        return last.seconds_coupling + last.seconds_step + last.seconds_validation

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> History:
        stored = json.loads(text)
        rows = [[Row(**row) for row in seed_rows] for seed_rows in stored["rows"]]
        failures = {int(seed): reason for seed, reason in stored["failures"].items()}
        return cls(rows, stored["best_step"], stored["best_loss"], failures)


def table(rows: Sequence[Row]) -> str:
    """The rows as csv text."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(Row.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return out.getvalue()


class Trainer:
    """Networks, optimiser and history of a stack of seeds; `run` trains, saving itself at every check.

    `workers` processes draw and couple the pairs ahead of the network; none: it is done in turn.
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
    ) -> None:
        self.method, self.data, self.settings, self.seeds = method, data, settings, list(seeds)
        self.pairing = Pairing.of(method, data, settings.batch_size)
        self.device, self.state, self.workers = device, state, workers
        self.net = StackedMLP(len(seeds), data.dim, settings.width, settings.depth)
        self.net.initialise(seeds)
        self.net.to(device)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.best = self.net.theta.detach().clone()
        self.history = History.empty(len(seeds))
        self.step = 0
        self._seconds = [[0.0, 0.0, 0.0] for _ in seeds]
        self._seconds_before = copy.deepcopy(self._seconds)
        self._loss_sum = torch.zeros(len(seeds), device=device)
        if state.exists():
            self._load()

    def run(self, report: Callable[[int, int, str], None]) -> None:
        """Train to the last step; `report(step, steps, text)` after every check."""
        every, steps = self.settings.validate_every, self.settings.steps
        validation = self._pairs(lambda seed: validation_pairs(self.pairing, seed), "val", len(self.data.target("val")))
        with Supply(self.pairing, self.seeds, self.step, steps, self.workers) as supply:
            while self.step < steps:
                self.train_step(supply.take)
                if self.step % every == 0 or self.step == steps:
                    self._check(validation)
                    self._save()
                    report(self.step, steps, self._summary())
                if len(self.history.failures) == len(self.seeds):
                    return

    def train_step(self, take: Callable[[int, int], Pairs]) -> None:
        """One step of the optimiser for every seed, on the pairs `take(seed, step)`."""
        pairs = self._pairs(lambda seed: take(seed, self.step), "train", self.settings.batch_size)
        began = time.perf_counter()
        loss = self.method.loss(self.net, stack(pairs, self.device))
        self.optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()  # each seed's loss depends on its own row of theta only
        self.optimiser.step()
        self._loss_sum += loss.detach()
        self.step += 1
        self._share(1, time.perf_counter() - began)
        for spent, of_seed in zip(self._seconds, pairs, strict=True):
            spent[0] += of_seed.coupling_seconds
            spent[1] += of_seed.drawing_seconds

    def work_seconds(self, place: int) -> dict[str, float]:
        """What this process has spent on one seed: its couplings, and its share of the network's steps and checks."""
        spent = np.subtract(self._seconds[place], self._seconds_before[place])
        return {"coupling": float(spent[0]), "network": float(spent[1] + spent[2])}

    def layers(self, place: int, which: str) -> dict[str, Tensor]:
        """Named tensors of one seed's `best` or `last` network."""
        theta = self.best if which == "best" else self.net.theta.detach()
        net = StackedMLP(1, self.data.dim, self.settings.width, self.settings.depth)
        with torch.no_grad():
            net.theta.copy_(theta[place : place + 1])
        return name_layers(net)

    def _pairs(self, draw: Callable[[int], Pairs], split: str, count: int) -> list[Pairs]:
        """Every seed's pairs; zeros for those that have failed, so that the stack keeps its shape."""
        failures = self.history.failures
        pairs = []
        for seed in self.seeds:
            if seed not in failures:
                try:
                    pairs.append(draw(seed))
                    continue
                except RunFailed as error:
                    failures[seed] = str(error)
            pairs.append(Pairs.zeros((count, *self.data.target(split).shape[1:])))
        return pairs

    def _check(self, validation: list[Pairs]) -> None:
        began = time.perf_counter()
        with torch.no_grad():
            val_loss = self.method.loss(self.net, stack(validation, self.device)).tolist()
        since = self.step - (self.history.rows[0][-1].step if self.history.rows[0] else 0)
        train_loss = (self._loss_sum / since).tolist()
        self._loss_sum.zero_()
        self._share(2, time.perf_counter() - began)
        for place, seed in enumerate(self.seeds):
            row = Row(self.step, train_loss[place], val_loss[place], *self._seconds[place])
            self.history.rows[place].append(row)
            if not math.isfinite(row.train_loss):
                self.history.failures.setdefault(seed, f"the loss is not finite by step {self.step}")
            if row.val_loss < self.history.best_loss[place]:
                self.history.best_loss[place], self.history.best_step[place] = row.val_loss, self.step
                self.best[place] = self.net.theta.detach()[place]

    def _share(self, column: int, seconds: float) -> None:
        for spent in self._seconds:
            spent[column] += seconds / len(self.seeds)

    def _summary(self) -> str:
        losses = [rows[-1].val_loss for rows in self.history.rows]
        return "validation loss " + " ".join(f"{loss:.4g}" for loss in losses)

    def _save(self) -> None:
        moments = self.optimiser.state[self.net.theta]
        tensors = {"theta": self.net.theta, "best": self.best, "adam_step": moments["step"]}
        tensors |= {name: moments[name] for name in ("exp_avg", "exp_avg_sq")}
        metadata = {"step": str(self.step), "history": self.history.to_json()}
        write_tensors(self.state, tensors, metadata)

    def _load(self) -> None:
        tensors, metadata = read_tensors(self.state)
        with torch.no_grad():
            self.net.theta.copy_(tensors["theta"])
        self.best = tensors["best"].to(self.device)
        self.optimiser.state[self.net.theta] = {
            name: tensors[stored].to(self.device)
            for name, stored in (("step", "adam_step"), ("exp_avg", "exp_avg"), ("exp_avg_sq", "exp_avg_sq"))
        }
        self.step = int(metadata["step"])
        self.history = History.from_json(metadata["history"])
        last = (rows[-1] for rows in self.history.rows)
        self._seconds = [[r.seconds_coupling, r.seconds_step, r.seconds_validation] for r in last]
        self._seconds_before = copy.deepcopy(self._seconds)


def stack(pairs: Sequence[Pairs], device: torch.device) -> Batch:
    """The batch of several seeds, on the device."""
    columns = ([getattr(p, name) for p in pairs] for name in COLUMNS)
    return Batch(*(torch.from_numpy(np.stack(column)).to(device) for column in columns))


def name_layers(net: StackedMLP) -> dict[str, Tensor]:
    """Weights and biases of a stack of one as `layers.{k}.weight` (fan in, out) and `layers.{k}.bias` (out,)."""
    kinds = ("weight", "bias")
    layers = [layer.detach()[0] for layer in net.layers()]
    return {f"layers.{k // 2}.{kinds[k % 2]}": x.squeeze(0) if k % 2 else x for k, x in enumerate(layers)}


def load_layers(net: StackedMLP, named: dict[str, Tensor]) -> None:
    """The inverse of `name_layers`."""
    kinds = ("weight", "bias")
    flat = [named[f"layers.{k // 2}.{kinds[k % 2]}"].reshape(-1) for k in range(len(net.shapes))]
    values = torch.cat(flat)
    with torch.no_grad():
        net.theta[0, : len(values)] = values
