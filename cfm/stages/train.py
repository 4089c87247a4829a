"""Stage `train`: one method on one data set, a chunk of seeds, into `model.safetensors` and `train.csv`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from cfm.device import choose, reserved
from cfm.errors import UserError
from cfm.history import table
from cfm.learning import mean_w2
from cfm.methods.base import Method
from cfm.nets.stacked import load as load_layers
from cfm.provenance import Stopwatch, file_digest
from cfm.resume import read_tensors, write_tensors, write_text
from cfm.settings import Training
from cfm.stages.data import load
from cfm.train import Trainer


@dataclass(frozen=True)
class Model:
    """The named layers of a trained network with what is known of its training."""

    layers: dict[str, Tensor]
    failure: str | None
    train_seconds: float
    learning_w2: float | None
    provenance: dict[str, object]
    path: Path | None = None

    def network(self, method: Method, settings: Training, dim: int) -> nn.Module:
        """The network, as a stack of one."""
        net = method.network(1, dim, settings)
        try:
            load_layers(net, 0, self.layers)
        except (KeyError, RuntimeError) as error:
            raise UserError(f"{self.path}: damaged (not this method's network: {error})") from None
        return net.eval()


def train(
    method: Method,
    settings: Training,
    data_path: Path,
    runs: Mapping[int, Path],
    teachers: Mapping[int, Model],
    state: Path,
    spec: str,
    device_name: str,
    workers: int,
    report: Callable[[int, int, str], None],
) -> dict[int, str]:
    """Train the seeds of `runs` (seed -> folder) together; returns the failed seeds with their reasons.

    The unfinished state lives in `state` and is removed once every file is written. `workers` processes draw and
    couple the pairs ahead of the network; no result depends on their number. A seed with a teacher starts from its
    network, fails if it has failed, and counts its seconds as its own.
    """
    watch, device, data = Stopwatch(), choose(device_name), load(data_path)
    if data.failure is not None:
        return _not_trained(data.failure, runs, spec, watch.record(data_sha256=file_digest(data_path), work_seconds={}))
    with reserved(device):
        layers = {seed: teacher.layers for seed, teacher in teachers.items()}
        trainer = Trainer(method, data, settings, list(runs), device, state, workers, layers)
        for seed, teacher in teachers.items():
            if teacher.failure:
                trainer.history.failures[seed] = f"{method.teacher} failed: {teacher.failure}"
        trainer.run(report)
    trainer.share.wait()
    if not trainer.share.first:
        return trainer.history.failures
    provenance = watch.record(len(runs), device=str(device), data_sha256=file_digest(data_path))
    history = trainer.history
    for place, (seed, folder) in enumerate(runs.items()):
        learning_w2 = mean_w2(history.rows[place])
        metadata = {
            "spec": spec,
            "seed": str(seed),
            "failure": history.failures.get(seed, ""),
            "best_step": str(history.best_step[place]),
            "train_seconds": repr(history.seconds(place) + (teachers[seed].train_seconds if teachers else 0.0)),
            "learning_w2": "" if learning_w2 is None else repr(learning_w2),
            "provenance": json.dumps({**provenance, "work_seconds": trainer.work_seconds(place)}),
        }
        tensors = {
            f"{which}.{name}": tensor
            for which in trainer.checkpoints
            for name, tensor in trainer.layers(place, which).items()
        }
        write_tensors(folder / "model.safetensors", tensors, metadata)
        write_text(folder / "train.csv", table(history.rows[place]))
    state.unlink(missing_ok=True)
    return history.failures


def _not_trained(failure: str, runs: Mapping[int, Path], spec: str, provenance: dict[str, object]) -> dict[int, str]:
    """The files of a training on data that could not be prepared: no network, and the reason."""
    facts = {"spec": spec, "failure": failure, "train_seconds": "0.0", "learning_w2": "", "best_step": "0"}
    for seed, folder in runs.items():
        metadata = {**facts, "seed": str(seed), "provenance": json.dumps(provenance)}
        write_tensors(folder / "model.safetensors", {}, metadata)
        write_text(folder / "train.csv", table([]))
    return dict.fromkeys(runs, failure)


def load_model(path: Path, settings: Training) -> Model:
    """The checkpoint that the settings ask for."""
    tensors, metadata = read_tensors(path)
    prefix = f"{settings.checkpoint}."
    layers = {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
    try:
        learning_w2 = float(metadata["learning_w2"]) if metadata["learning_w2"] else None
        seconds, provenance = float(metadata["train_seconds"]), dict(json.loads(metadata["provenance"]))
        return Model(layers, metadata["failure"] or None, seconds, learning_w2, provenance, path)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: damaged (not as trained models are); delete it and run again") from None
