"""Stage `source_target`: how far the sources of each seed are from the test points, which NPE divides by.

W2^2(q0, q1), exact, between the points that the samplers start from and those they are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cfm.artifacts.data import load
from cfm.artifacts.source_target import write_distances
from cfm.couplings.exact import wasserstein_power
from cfm.datasets.base import Prepared
from cfm.errors import RunFailed
from cfm.types import flat


def source_target(
    data_path: Path, points: str, seeds: Mapping[int, Path], report: Callable[[int, int, str], None]
) -> None:
    """Write the distances of `seeds` (seed -> file) on the test set, and if `points` is "all" on the large one too."""
    data = load(data_path)
    for done, (seed, path) in enumerate(seeds.items(), start=1):
        write_distances(path, _distances(data, points, seed))
        report(done, len(seeds), f"seed {seed}")


def _distances(data: Prepared, points: str, seed: int) -> dict[str, float] | str:
    """By test set; or in one line why there is none that a path energy can be divided by."""
    if data.failure is not None:
        return data.failure
    pairs = {split: (data.source(split, seed), data.target(split)) for split in data.evaluated(points)}
    try:
        found = {split: wasserstein_power(flat(x), flat(y), 2) for split, (x, y) in pairs.items()}
    except RunFailed as error:
        return str(error)
    return found if all(found.values()) else "source and target are the same points: NPE divides by their distance"
