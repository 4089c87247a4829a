"""What a verb measured, printed: for those who run it by hand; in the workflow it is a part of the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cfm.artifacts.metrics import read_metrics
from cfm.artifacts.source_target import read_distances
from cfm.errors import RunFailed
from cfm.metrics import METRICS, is_large, names


def print_metrics(runs: Mapping[int, Path], metrics: Sequence[str]) -> None:
    """A line for each seed of `runs` (seed -> folder) and solver: its metrics, or why it failed; then their units."""
    found = {(seed, solver): result for seed, run in runs.items() for solver, result in read_metrics(run).items()}
    present = {name for result in found.values() for name in result["metrics"]}
    _print_values(found, [name for name in metrics if name in present])
    large = [name for name in names(metrics) if name in present and is_large(name)]
    if large:
        print("on the large test set:")
        _print_values({where: result for where, result in found.items() if large[0] in result["metrics"]}, large)
    units: dict[str, list[str]] = {}
    for name in metrics:
        if name in present:
            units.setdefault(METRICS[name].unit, []).append(name)
    if units:
        print("units: " + "; ".join(f"{unit} ({', '.join(measured)})" for unit, measured in units.items()))
    print(f"written: metrics.json, spec.json and provenance.json in {_folders(runs)}")


def _print_values(found: Mapping[tuple[int, str], dict[str, Any]], columns: Sequence[str]) -> None:
    rows = [["seed", "solver", *columns]]
    for (seed, solver), result in found.items():
        failed, values = result["status"] == "failed", result["metrics"]
        numbers = [f"{values[name]:.4g}" if name in values else "—" for name in columns]
        rows.append([str(seed), solver, *([f"failed: {result['reason']}"] if failed else numbers)])
    _print(rows)


def print_distances(files: Mapping[int, Path]) -> None:
    """A line for each seed of `files` (seed -> file): W2^2 between source and target, or why it is not known."""
    rows = [["seed", "test set", f"W2² in {METRICS['w2_squared'].unit}"]]
    for seed, path in files.items():
        try:
            rows += [[str(seed), split, f"{value:.4g}"] for split, value in read_distances(path).items()]
        except RunFailed as error:
            rows.append([str(seed), "", f"failed: {error}"])
    _print(rows)
    print(f"written: {_folders({seed: path.parent for seed, path in files.items()})}")


def print_written(what: str, runs: Mapping[int, Path]) -> None:
    """A line that says what was written into the folders of `runs` (seed -> folder)."""
    print(f"written: {what} in {_folders(runs)}")


def _folders(runs: Mapping[int, Path]) -> str:
    """The folders, those of many seeds as one pattern."""
    folders = [*dict.fromkeys(runs.values())]
    if len(folders) == 1:
        return str(folders[0])
    return f"{folders[0].parent}/seed={{{','.join(map(str, runs))}}}"


def _print(rows: Sequence[Sequence[str]]) -> None:
    """Cells in columns as wide as their widest, but for reasons of failure, which end their lines."""
    failed = [row for row in rows if row[-1].startswith("failed: ")]
    widths = [max(map(len, column)) for column in zip(*(row for row in rows if row not in failed), strict=True)]
    for row in rows:
        names = [name.ljust(width) for name, width in zip(row[:2], widths, strict=False)]
        numbers = [number.rjust(width) for number, width in zip(row[2:], widths[2:], strict=False)]
        print("  ".join([*names, *(row[2:] if row in failed else numbers)]).rstrip())
