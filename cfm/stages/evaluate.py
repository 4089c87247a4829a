"""Stage `evaluate`: measure the samples of one run, into `metrics.json`, `spec.json` and `provenance.json`.

It knows nothing of how the samples were made: `x0`, `trajectory` (or `x1`), `t`, `nfe` and `seconds` in
`samples/{solver}.npz` are the whole contract, so an external method is measured like any other. Samples that are
not to be compared with the test set bring their `target`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cfm.artifacts.data import load
from cfm.artifacts.metrics import failed, measured, read_metrics
from cfm.artifacts.provenance import Stopwatch
from cfm.artifacts.run import save_run
from cfm.datasets.base import Prepared
from cfm.errors import RunFailed, UserError, one_line
from cfm.files import read_arrays
from cfm.fingerprint import file_digest
from cfm.metrics import METRICS
from cfm.metrics.base import Evaluation
from cfm.settings import Solver
from cfm.solvers.trajectory import polyline_energy

_TEST_SETS = {"test": "", "test_large": "_large"}


def evaluate(
    solvers: Mapping[str, Solver],
    metrics: Sequence[str],
    data_path: Path,
    runs: Mapping[int, Path],
    identities: Mapping[int, Path],
    spec: str,
    code: Mapping[str, str],
    report: Callable[[int, int, str], None],
) -> None:
    """Measure the seeds of `runs` (seed -> folder). `identities` are the identity control's folders, whose
    W2^2 is the distance between source and target; empty when it is the identity that is measured."""
    data = load(data_path)
    for done, (seed, folder) in enumerate(runs.items(), start=1):
        watch = Stopwatch()
        references = _references(identities[seed]) if identities else None
        results: dict[str, Any] = {}
        stages: dict[str, Any] = {}
        measuring = 0.0
        for name in solvers:
            path = folder / "samples" / f"{name}.npz"
            stored = read_arrays(path)
            stages |= _provenance(path, stored)
            stages[f"samples_{name}_sha256"] = file_digest(path)
            began = time.process_time()
            results[name] = _measure(path, stored, metrics, data, references)
            measuring += time.process_time() - began
        evaluation = watch.record(
            code_digest=code, data_sha256=file_digest(data_path), work_seconds={"distance": measuring}
        )
        save_run(folder, spec, {**stages, "evaluate": evaluation}, results)
        report(done, len(runs), f"seed {seed}, {len(results)} solvers")


def _provenance(path: Path, stored: Mapping[str, np.ndarray]) -> dict[str, Any]:
    try:
        return dict(json.loads(str(stored.get("provenance", "{}"))))
    except (ValueError, TypeError):
        raise UserError(f"{path}: damaged (provenance is no JSON object); delete it and run again") from None


def _references(folder: Path) -> dict[str, float]:
    """W2^2 between source and target of each test set, as the identity control measured them."""
    stored = read_metrics(folder)
    found: dict[str, float] = {}
    for result in stored.values():
        for split, suffix in _TEST_SETS.items():
            if f"w2_squared{suffix}" in result["metrics"]:
                found[split] = result["metrics"][f"w2_squared{suffix}"]
    return found


def _measure(
    path: Path,
    stored: Mapping[str, np.ndarray],
    metrics: Sequence[str],
    data: Prepared,
    references: Mapping[str, float] | None,
) -> dict[str, Any]:
    """`{status, reason, nfe, metrics: {name: value}}` of one solver."""
    if "failure" in stored:
        return failed(one_line(str(stored["failure"])))
    for name in ("x0", "nfe", "seconds", "t" if "trajectory" in stored else "x1"):
        if name not in stored or stored[name].dtype.kind not in "fiu":
            raise UserError(f"{path}: damaged (no array of numbers '{name}'); delete it and run again")
    values: dict[str, float] = {}
    try:
        for split, evaluation in _evaluations(path, stored, metrics, data, references).items():
            suffix = _TEST_SETS[split]
            for name in metrics:
                compute = METRICS[name].compute
                if compute is not None and (METRICS[name].per_test_set or not suffix):
                    value = compute(evaluation)
                    if value is not None:
                        values[name + suffix] = _finite(value, name + suffix)
    except RunFailed as error:
        return failed(str(error))
    return measured(int(stored["nfe"]), values)


def _evaluations(
    path: Path,
    stored: Mapping[str, np.ndarray],
    metrics: Sequence[str],
    data: Prepared,
    references: Mapping[str, float] | None,
) -> dict[str, Evaluation]:
    """The samples cut into test sets: the first rows are the test set's, the next the large one's, if there.

    `references`: W2^2 between source and target of each; None for the identity, which is its own.
    """
    x0 = stored["x0"]
    x1 = stored["trajectory"][-1] if "trajectory" in stored else stored["x1"]
    if x0.shape != x1.shape or ("target" not in stored and len(x0) < data.count("test")):
        raise UserError(f"{path}: x0 {x0.shape}, x1 {x1.shape}: equal shapes are needed, a row per test point")
    if not np.isfinite(x1).all():
        raise RunFailed("the samples are not finite")
    energy = stored.get("energy")
    if energy is None and "trajectory" in stored:
        energy = polyline_energy(stored["t"], stored["trajectory"])
    cut, first = {}, 0
    for split in (name for name in _TEST_SETS if f"{name}_1" in data.arrays):
        target = stored.get("target", data.target(split))
        rows = slice(first, first + (len(x0) if "target" in stored else data.count(split)))
        first = rows.stop
        if len(x0) >= rows.stop > rows.start:
            if references is not None and "npe" in metrics and split not in references:
                raise UserError(f"{path}: the identity control has no 'w2_squared' on its {split} set, which NPE needs")
            cut[split] = Evaluation(
                x0[rows],
                x1[rows],
                target,
                None if energy is None else energy[rows],
                int(stored["nfe"]),
                float(stored["seconds"]),
                float(stored["train_seconds"]) if "train_seconds" in stored else None,
                float(stored["learning_w2"]) if "learning_w2" in stored else None,
                None if references is None else references.get(split),
                (stored["t"], stored["trajectory"][:, rows]) if "trajectory" in stored else None,
                data.arrays,
                stored,
            )
    return cut


def _finite(value: float, name: str) -> float:
    if not np.isfinite(value):
        raise RunFailed(f"metric {name} is {value}")
    return value
