"""Stage `train`: one method on one data set, a chunk of seeds, into `model.safetensors` and `train.csv`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cfm.artifacts.data import load
from cfm.artifacts.model import Model, save_model
from cfm.artifacts.provenance import Stopwatch
from cfm.artifacts.training_log import write_log
from cfm.device import choose
from cfm.fingerprint import file_digest
from cfm.methods.base import Method
from cfm.settings import Training
from cfm.training.learning_curve import mean_w2
from cfm.training.trainer import Trainer


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
    for slot, (seed, folder) in enumerate(runs.items()):
        seconds = history.seconds(slot) + (teachers[seed].train_seconds if teachers else 0.0)
        record = {**provenance, "work_seconds": trainer.work_seconds(slot)}
        model = Model({}, history.failures.get(seed), seconds, mean_w2(history.rows[slot]), record)
        networks = {which: trainer.layers(slot, which) for which in trainer.checkpoints}
        save_model(folder, model, networks, spec, seed, history.best_step[slot])
        write_log(folder, history.rows[slot])
    state.unlink(missing_ok=True)
    return history.failures


def _not_trained(failure: str, runs: Mapping[int, Path], spec: str, provenance: dict[str, object]) -> dict[int, str]:
    """The files of a training on data that could not be prepared: no network, and the reason."""
    for seed, folder in runs.items():
        save_model(folder, Model({}, failure, 0.0, None, provenance), {}, spec, seed, best_step=0)
        write_log(folder, [])
    return dict.fromkeys(runs, failure)
