"""Trajectories of points in the plane, small enough to be carried by the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cfm.artifacts.layout import samples_path
from cfm.artifacts.runs import read_runs
from cfm.config import Config
from cfm.errors import UserError
from cfm.files import read_arrays
from cfm.results.labels import dataset_label
from cfm.results.tables._cells import number

if TYPE_CHECKING:
    import pandas as pd

_POINTS = 200  # at most, of each view
_TIMES = 13  # at most; between them the page draws straight lines
_BYTES = 2_500_000  # of all views of an experiment: with more methods and solvers each has fewer points
_UNIT = 16384  # half the side of a data set's square in whole numbers; points beyond twice that stay there
# Numbers below a view, of those that the experiment has.
_SHOWN = {"w2": "W2 {}", "npe": "NPE {}", "bridge_w2": "W2 to the bridge {}", "nfe": "{} evaluations"}
Views = dict[tuple[str, str, str], Path]


def trajectories(config: Config, experiment: str) -> dict[str, Any] | None:
    """Per data set of the plane, method and solver: points of the first seed at their times; None without any."""
    views = _views(config, experiment)
    stored = {view: found for view, path in views.items() if (found := _stored(path)) is not None}
    if not stored:
        return None
    frames = sum(len(t) for t, _ in stored.values())
    points = min(_POINTS, max(20, _BYTES // (4 * frames)))
    facts = _facts(config, experiment)
    datasets: dict[str, Any] = {}
    squares: dict[str, tuple[npt.NDArray[Any], float]] = {}
    for (dataset, method, solver), (t, x) in stored.items():
        if dataset not in datasets:
            target = _target(config.layout.data(experiment, dataset))
            squares[dataset] = _square(x[0], target)
            label = dataset_label(config, experiment, dataset)
            datasets[dataset] = {"label": label, "target": _packed(target[:points], *squares[dataset]), "views": {}}
        view = {
            "t": [round(float(time), 4) for time in t],
            "x": _packed(x[:, :points], *squares[dataset]),
            "facts": facts.get((dataset, method, solver), ""),
        }
        datasets[dataset]["views"].setdefault(method, {})[solver] = view
    labels = {m: config.methods[m].entry.label for m in config.methods_of(experiment)}
    return {"seed": config.first_seed(experiment, next(iter(datasets))), "methods": labels, "datasets": datasets}


def _views(config: Config, experiment: str) -> Views:
    settings = config.experiments[experiment]
    return {
        (dataset, method, solver): samples_path(
            config.layout.run(experiment, dataset, method, config.first_seed(experiment, dataset)), solver
        )
        for dataset, method in config.pairs(experiment)
        if config.datasets[dataset].dataset.dim == 2
        for solver in settings.solvers
    }


def _stored(path: Path) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
    """Times and points, if there are any: a run may have failed, be missing, or have kept only the ends."""
    try:
        arrays = read_arrays(path)
    except UserError:
        return None
    x = arrays.get("trajectory")
    if x is None or x.ndim != 3 or x.shape[2] != 2:
        return None
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), _TIMES)).round().astype(int))
    return arrays["t"][kept], x[kept]


def _target(path: Path) -> npt.NDArray[Any]:
    return np.asarray(read_arrays(path)["test_1"]) if path.exists() else np.empty((0, 2), np.float32)


def _square(source: npt.NDArray[Any], target: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], float]:
    """Centre and half the side of a square that holds source and target, but for a point in a hundred."""
    both = np.concatenate([source, target])
    low, high = np.nanquantile(both, (0.005, 0.995), axis=0)
    return ((low + high) / 2).round(3), round(float((high - low).max() / 2) * 1.15, 3)


def _packed(points: npt.NDArray[Any], centre: npt.NDArray[Any], bound: float) -> str:
    """Little-endian 16-bit whole numbers, base64."""
    whole = np.nan_to_num(np.clip((points - centre) / bound, -1.99, 1.99) * _UNIT)
    return base64.b64encode(whole.round().astype("<i2").tobytes()).decode()


def _facts(config: Config, experiment: str) -> Mapping[tuple[str, str, str], str]:
    """By data set, method and solver: the first numbers of its samples, mean over seeds, in words."""
    path = config.layout.runs(experiment)
    if not path.exists():
        return {}
    grouped = read_runs(path).groupby(["dataset", "method", "solver"])
    return {(str(d), str(m), str(s)): _words(mine) for (d, m, s), mine in grouped}


def _words(runs: pd.DataFrame) -> str:
    means = runs.groupby("metric").value.mean()
    values = {name: f"{means[name]:.0f}" if name == "nfe" else number(means[name]) for name in _SHOWN if name in means}
    words = ", ".join(_SHOWN[name].format(value) for name, value in values.items())
    return f"{words} (mean of {runs.seed.nunique()} seeds)" if words else ""
