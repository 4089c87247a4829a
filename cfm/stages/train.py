"""Stage `train`: one method on one data set, a chunk of seeds, into `model.safetensors` and `train.csv`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cfm.device import choose, reserved
from cfm.methods.base import Method
from cfm.nets.mlp import StackedMLP
from cfm.provenance import Stopwatch, file_digest
from cfm.resume import read_tensors, write_tensors, write_text
from cfm.settings import Training
from cfm.stages.data import load
from cfm.train import Trainer, load_layers, table


@dataclass(frozen=True)
class Model:
    """A trained network with what is known of its training."""

    net: StackedMLP | None
    failure: str | None
    train_seconds: float
    provenance: dict[str, object]


def train(
    method: Method,
    settings: Training,
    data_path: Path,
    runs: Mapping[int, Path],
    state: Path,
    spec: str,
    device_name: str,
    workers: int,
    report: Callable[[int, int, str], None],
) -> dict[int, str]:
    """Train the seeds of `runs` (seed -> folder) together; returns the failed seeds with their reasons.

    The unfinished state lives in `state` and is removed once every file is written. `workers` processes draw and
    couple the pairs ahead of the network; no result depends on their number.
    """
    watch, device = Stopwatch(), choose(device_name)
    with reserved(device):
        trainer = Trainer(method, load(data_path), settings, list(runs), device, state, workers)
        trainer.run(report)
    provenance = watch.record(len(runs), device=str(device), data_sha256=file_digest(data_path))
    history = trainer.history
    for place, (seed, folder) in enumerate(runs.items()):
        metadata = {
            "spec": spec,
            "seed": str(seed),
            "failure": history.failures.get(seed, ""),
            "best_step": str(history.best_step[place]),
            "train_seconds": repr(history.seconds(place)),
            "provenance": json.dumps({**provenance, "work_seconds": trainer.work_seconds(place)}),
        }
        tensors = {
            f"{which}.{name}": tensor
            for which in ("best", "last")
            for name, tensor in trainer.layers(place, which).items()
        }
        write_tensors(folder / "model.safetensors", tensors, metadata)
        write_text(folder / "train.csv", table(history.rows[place]))
    state.unlink(missing_ok=True)
    return history.failures


def load_model(path: Path, settings: Training, dim: int) -> Model:
    """The checkpoint that the settings ask for, as a stack of one."""
    tensors, metadata = read_tensors(path)
    net = StackedMLP(1, dim, settings.width, settings.depth)
    prefix = f"{settings.checkpoint}."
    named = {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
    load_layers(net, named)
    return Model(net, metadata["failure"] or None, float(metadata["train_seconds"]), json.loads(metadata["provenance"]))
