"""Which seeds share a process: of a method on a data set, as Snakemake has made or begun them.

A job is known by its files, those of all its seeds. If other seeds shared a process from one run of the workflow to
the next, all of them would be computed again; so groups that differ from those of config/ are written down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cfm.artifacts.layout import METRICS, MODEL, Layout
from cfm.errors import UserError
from cfm.files import read_json, write_json

SOURCE_TARGET = "source_target"  # in the place of a method: jobs of the data set alone
ANY = "*"  # in the place of a data set: jobs that share one rule for all of them

Group = tuple[int, ...]


def made_groups(
    layout: Layout, experiment: str, dataset: str, method: str, cells: Iterable[Group], wanted: Sequence[int]
) -> list[Group]:
    """The groups of which something is made: those that were written down, then the usual ones (`cells`), then wanted
    seeds by themselves that somebody made by hand."""

    def there(group: Group) -> bool:
        return any(_there(layout, experiment, dataset, method, seed) for seed in group)

    found = [group for group in _written(layout.groups(experiment)).get(f"{dataset}/{method}", []) if there(group)]
    taken = {seed for group in found for seed in group}
    usual = [*cells]
    found += [cell for cell in usual if taken.isdisjoint(cell) and there(cell)]
    known = taken.union(*usual)
    return found + [(seed,) for seed in wanted if seed not in known and there((seed,))]


def write_groups(layout: Layout, experiment: str, planned: Mapping[str, Sequence[Group]]) -> None:
    """Write down the groups of a plan, by data set and method (`moons/otcfm`), beside those of earlier plans."""
    stored: dict[str, list[Group]] = _written(layout.groups(experiment))
    merged = dict(stored)
    for key, groups in planned.items():
        taken = {seed for group in groups for seed in group}
        merged[key] = [*groups, *(group for group in stored.get(key, []) if taken.isdisjoint(group))]
    if merged != stored:
        write_json(layout.groups(experiment), merged)


def _there(layout: Layout, experiment: str, dataset: str, method: str, seed: int) -> bool:
    if method == SOURCE_TARGET:
        return layout.source_target(experiment, dataset, seed).exists()
    folders: Iterable[Path] = (layout.run(experiment, dataset, method, seed),)
    if dataset == ANY:
        folders = layout.experiment(experiment).glob(f"*/{method}/seed={seed}")
    return any((folder / name).exists() for folder in folders for name in (MODEL, METRICS, "samples"))


def _written(path: Path) -> dict[str, list[Group]]:
    if not path.exists():
        return {}
    stored = read_json(path)
    whole = all(
        isinstance(groups, list)
        and all(isinstance(group, list) and group and all(type(s) is int for s in group) for group in groups)
        for groups in stored.values()
    )
    if not whole:
        raise UserError(f"{path}: damaged; delete it and run again")
    return {key: [tuple(group) for group in groups] for key, groups in stored.items()}
