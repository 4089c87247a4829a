"""Stage `sample`: carry the evaluation points along their span of time, into `samples/{solver}.npz`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cfm.artifacts.data import load
from cfm.artifacts.model import Model, load_model
from cfm.artifacts.provenance import Stopwatch
from cfm.datasets.base import Dataset, Prepared
from cfm.device import choose
from cfm.errors import RunFailed
from cfm.files import write_arrays
from cfm.methods.base import Method, Start
from cfm.rng import stream
from cfm.settings import Solver, Training
from cfm.solvers.trajectory import Trajectory, polyline_energy
from cfm.solvers.transport import transport
from cfm.stages.log_densities import log_densities

# Trajectories are thinned to at most this many times before they are stored.
STORED_TIMES = 26


def sample(
    method: Method,
    dataset: Dataset,
    settings: Training | None,
    solvers: Mapping[str, Solver],
    data_path: Path,
    runs: Mapping[int, Path],
    device_name: str,
    report: Callable[[int, int, str], None],
) -> None:
    """Write the samples of every solver for the seeds of `runs` (seed -> folder).

    A run that failed (in training or here) writes its reason in the place of samples.
    """
    device, data = choose(device_name), load(data_path)
    unprepared = data.failure
    data = data if unprepared else method.view(data)
    for done, (seed, folder) in enumerate(runs.items(), start=1):
        watch, solving = Stopwatch(), 0.0
        model, net = Model({}, None, 0.0, None, {}), None
        if method.trained:
            assert settings is not None
            model = load_model(folder, settings)
            net = None if unprepared else model.network(method, settings, data.dim).to(device)
        for name, solver in solvers.items():
            arrays = _samples(method, dataset, unprepared or model.failure, net, data, solver, seed, device)
            solving += float(arrays.get("seconds", 0.0))
            sampled = watch.record(device=str(device), work_seconds={"ode": solving})  # all solvers so far
            facts = {"train": model.provenance, "sample": sampled}
            arrays["provenance"] = np.array(json.dumps(facts))
            if method.trained:
                arrays["train_seconds"] = np.array(model.train_seconds)
                if model.learning_w2 is not None:
                    arrays["learning_w2"] = np.array(model.learning_w2)
            write_arrays(folder / "samples" / f"{name}.npz", arrays)
        report(done, len(runs), f"seed {seed}, {len(solvers)} solvers")


def _samples(
    method: Method,
    dataset: Dataset,
    failure: str | None,
    net: nn.Module | None,
    data: Prepared,
    solver: Solver,
    seed: int,
    device: torch.device,
) -> dict[str, np.ndarray]:
    if failure is None:
        points = solver.points
        x0, labels = data.evaluation_source(seed, points), data.evaluation_labels(points)
        start = Start(x0, dataset, stream(seed, "sample"), data, labels)
        try:
            path = transport(method, net, start, solver, device)
            asked = {"label": labels} if method.conditional and labels is not None else {}
            return {**as_arrays(path), **asked, **log_densities(method, net, start, solver, path)}
        except RunFailed as error:
            failure = str(error)
    return {"failure": np.array(failure)}


def as_arrays(path: Trajectory) -> dict[str, np.ndarray]:
    """The arrays of a samples file; `energy` is the path energy at full resolution, before thinning."""
    kept = np.unique(np.linspace(0, len(path.t) - 1, min(len(path.t), STORED_TIMES)).round().astype(int))
    arrays = {
        "x0": path.x[0],
        "trajectory": path.x[kept],
        "t": path.t[kept],
        "energy": polyline_energy(path.t, path.x) if path.energy is None else path.energy,
        "nfe": np.int64(path.nfe),
        "seconds": np.float64(path.seconds),
    }
    return arrays if path.target is None else {**arrays, "target": path.target}
