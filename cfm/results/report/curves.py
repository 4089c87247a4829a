"""Learning curves: what train.csv says, mean and range over seeds, by data set and method."""

from __future__ import annotations

import math
import statistics
from typing import Any

from cfm.artifacts.training_log import read_log
from cfm.config import Config
from cfm.results.labels import dataset_label

_QUANTITIES = {
    "val_w2": "W2 of validation points",
    "val_frechet": "Fréchet distance of validation pictures",
    "val_loss": "validation loss",
    "train_loss": "training loss",
}
_CHECKS = 60  # at most, of each curve
History = dict[int, dict[str, float]]  # by step


def curves(config: Config, experiment: str) -> dict[str, Any] | None:
    """`{quantities, methods, datasets}`: a curve is rows of step, mean, least and largest; None without any."""
    datasets: dict[str, Any] = {}
    by_pair: dict[tuple[str, str], list[History]] = {}
    for (dataset, method, _), folder in config.runs(experiment).items():
        history = {int(row["step"]): row for row in read_log(folder)}
        if history:
            by_pair.setdefault((dataset, method), []).append(history)
    for (dataset, method), histories in by_pair.items():
        mine = {name: rows for name in _QUANTITIES if (rows := _curve(histories, name))}
        if mine:
            there = datasets.setdefault(dataset, {"label": dataset_label(config, experiment, dataset), "curves": {}})
            there["curves"][method] = {"seeds": len(histories), **mine}
    if not datasets:
        return None
    labels = {m: config.methods[m].entry.label for m in config.methods_of(experiment)}
    present = {name for d in datasets.values() for c in d["curves"].values() for name in c}
    quantities = {name: label for name, label in _QUANTITIES.items() if name in present}
    return {"quantities": quantities, "methods": labels, "datasets": datasets}


def _curve(histories: list[History], name: str) -> list[list[float]]:
    """At the steps that all seeds have, thinned."""
    steps = sorted(step for step in histories[0] if all(name in seed.get(step, {}) for seed in histories))
    kept = {round(k * (len(steps) - 1) / (_CHECKS - 1)) for k in range(_CHECKS)} if len(steps) > _CHECKS else None
    rows = []
    for place, step in enumerate(steps):
        values = [seed[step][name] for seed in histories]
        if (kept is None or place in kept) and all(math.isfinite(value) for value in values):
            numbers = (statistics.fmean(values), min(values), max(values))
            rows.append([step, *(float(f"{number:.4g}") for number in numbers)])
    return rows
