"""Stage `evaluate`: measure the samples of one run, into `metrics.json`, `spec.json` and `provenance.json`.

It knows nothing of how the samples were made: cfm/artifacts/samples.py is the whole contract, so an external method is
measured like any other. Samples that are not to be compared with the test set bring their `target`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cfm.artifacts.data import load
from cfm.artifacts.layout import samples_path
from cfm.artifacts.metrics import failed, measured
from cfm.artifacts.provenance import Stopwatch
from cfm.artifacts.run import save_run
from cfm.artifacts.samples import Arrays, ends, energies, provenance_of, read_samples
from cfm.artifacts.source_target import read_distances
from cfm.datasets.base import Prepared
from cfm.errors import RunFailed, UserError, one_line
from cfm.fingerprint import file_digest
from cfm.metrics import METRICS, TEST_SETS
from cfm.metrics.base import Evaluation
from cfm.settings import Solver


def evaluate(
    solvers: Mapping[str, Solver],
    metrics: Sequence[str],
    data_path: Path,
    runs: Mapping[int, Path],
    distances: Mapping[int, Path],
    spec: str,
    code: Mapping[str, str],
    report: Callable[[int, int, str], None],
) -> None:
    """Measure the seeds of `runs` (seed -> folder).

    `distances`: the files that say how far source and target of a seed are apart, none if no metric asks for that.
    """
    data = load(data_path)
    for done, (seed, folder) in enumerate(runs.items(), start=1):
        watch = Stopwatch()
        apart = _apart(distances.get(seed))
        results: dict[str, Any] = {}
        stages: dict[str, Any] = {}
        measuring = 0.0
        for name in solvers:
            path = samples_path(folder, name)
            stored = read_samples(path)
            stages |= provenance_of(path, stored)
            stages[f"samples_{name}_sha256"] = file_digest(path)
            began = time.process_time()
            results[name] = _measure(path, stored, metrics, data, apart)
            measuring += time.process_time() - began
        evaluation = watch.record(
            code_digest=code, data_sha256=file_digest(data_path), work_seconds={"distance": measuring}
        )
        save_run(folder, spec, {**stages, "evaluate": evaluation}, results)
        report(done, len(runs), f"seed {seed}, {len(results)} solvers")


def _apart(path: Path | None) -> Mapping[str, float] | str | None:
    """How far source and target are apart by test set, or why that is not known; None if no metric asks."""
    try:
        return None if path is None else read_distances(path)
    except RunFailed as error:
        return str(error)


def _measure(
    path: Path, stored: Arrays, metrics: Sequence[str], data: Prepared, apart: Mapping[str, float] | str | None
) -> dict[str, Any]:
    """The result of one solver, see cfm/artifacts/metrics.py."""
    if "failure" in stored:
        return failed(one_line(str(stored["failure"])))
    if isinstance(apart, str):
        return failed(one_line(apart))
    values: dict[str, float] = {}
    try:
        for split, evaluation in _evaluations(path, stored, data, apart).items():
            for name in metrics:
                compute = METRICS[name].compute
                if compute is not None and (METRICS[name].per_test_set or split == "test"):
                    value = compute(evaluation)
                    if value is not None:
                        named = name + TEST_SETS[split]
                        values[named] = _finite(value, named)
    except RunFailed as error:
        return failed(str(error))
    return measured(int(stored["nfe"]), values)


def _evaluations(
    path: Path, stored: Arrays, data: Prepared, apart: Mapping[str, float] | None
) -> dict[str, Evaluation]:
    """The samples cut into test sets: the first rows are the test set's, the next the large one's, if there."""
    x0, x1, energy = stored["x0"], ends(stored), energies(stored)
    if "target" not in stored and len(x0) < data.count("test"):
        raise UserError(f"{path}: x0 {x0.shape}: a row for each of {data.count('test')} test points is needed")
    if not np.isfinite(x1).all():
        raise RunFailed("the samples are not finite")
    cut, first = {}, 0
    for split in data.evaluated("all"):
        rows = slice(first, first + (len(x0) if "target" in stored else data.count(split)))
        first = rows.stop
        if len(x0) >= rows.stop > rows.start:
            if apart is not None and split not in apart:
                raise UserError(f"{path}: its {split} set is not in source_target/ of the data set: delete that folder")
            cut[split] = Evaluation(
                x0[rows],
                x1[rows],
                stored.get("target", data.target(split)),
                None if energy is None else energy[rows],
                int(stored["nfe"]),
                float(stored["seconds"]),
                float(stored["train_seconds"]) if "train_seconds" in stored else None,
                float(stored["learning_w2"]) if "learning_w2" in stored else None,
                None if apart is None else apart[split],
                (stored["t"], stored["trajectory"][:, rows]) if "trajectory" in stored else None,
                data.arrays,
                stored,
            )
    return cut


def _finite(value: float, name: str) -> float:
    if not np.isfinite(value):
        raise RunFailed(f"metric {name} is {value}")
    return value
