"""Stage `sample`: carry the evaluation points along their span of time, into `samples/{solver}.npz`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from torch import nn

from cfm.artifacts.data import load
from cfm.artifacts.layout import samples_path
from cfm.artifacts.model import Model, load_model
from cfm.artifacts.provenance import Stopwatch
from cfm.artifacts.samples import as_arrays, write_samples
from cfm.datasets.base import Dataset, Prepared
from cfm.device import choose
from cfm.errors import RunFailed, UserError
from cfm.methods.base import Method, Start
from cfm.rng import stream
from cfm.settings import Solver, Training
from cfm.stages.log_densities import log_densities


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
            arrays = _samples(method, dataset, unprepared or model.failure, net, data, solver, seed)
            solving += float(arrays.get("seconds", 0.0))
            sampled = watch.record(device=str(device), work_seconds={"ode": solving})  # all solvers so far
            if method.trained:
                arrays["train_seconds"] = np.array(model.train_seconds)
                if model.learning_w2 is not None:
                    arrays["learning_w2"] = np.array(model.learning_w2)
            write_samples(samples_path(folder, name), arrays, {"train": model.provenance, "sample": sampled})
        report(done, len(runs), f"seed {seed}, {len(solvers)} solvers")


def _samples(
    method: Method,
    dataset: Dataset,
    failure: str | None,
    net: nn.Module | None,
    data: Prepared,
    solver: Solver,
    seed: int,
) -> dict[str, np.ndarray]:
    if failure is None:
        points = solver.points
        x0, labels = data.evaluation_source(seed, points), data.evaluation_labels(points)
        start = Start(x0, dataset, stream(seed, "sample"), data, labels)
        try:
            path = method.sample(net, start, solver)
            if path is None:  # what once stood for the ODE
                raise UserError(
                    f"{type(method).__name__}.sample: for the ODE return super().sample(net, start, solver)"
                )
            asked = {"label": labels} if method.conditional and labels is not None else {}
            return {**as_arrays(path), **asked, **log_densities(method, net, start, solver, path)}
        except RunFailed as error:
            failure = str(error)
    return {"failure": np.array(failure)}
