"""`python -m cfm carry`: cells carried from one time to another by the trained networks of a method."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfm.artifacts.carried import CarriedFile, check_suffix
from cfm.artifacts.layout import MODEL
from cfm.artifacts.provenance import Stopwatch
from cfm.cli.cell import Cell
from cfm.datasets.attributes import Attributes
from cfm.datasets.base import Dataset, Prepared
from cfm.datasets.images import Images
from cfm.datasets.reading.given_cells import GivenCells, cells_in, cells_of, points_in
from cfm.datasets.snapshots import Snapshots
from cfm.errors import RunFailed, UserError
from cfm.fingerprint import code_digest, digest, file_digest
from cfm.stages.chosen_solver import chosen_solver, solver_text
from cfm.stages.course_times import CourseTimes

if TYPE_CHECKING:
    from cfm.stages.loaded import LoadedRun


def carry(start: str, end: str, times: int, cells: Path | None, out: Path, **where: Any) -> str:
    """Carry cells and write them to `out`; returns the lines that say what was done."""
    from cfm.stages.carry import carry as run

    check_suffix(out)
    watch, cell = Stopwatch(), Cell.open("train", **where)
    dataset = cell.config.datasets[cell.dataset].dataset
    if isinstance(dataset, Images | Attributes):
        raise UserError(f"{cell.dataset}: pictures are no cells: cfm.load(FOLDER) in Python carries them as points")
    runs = _loaded(cell)
    solver = chosen_solver(cell.config.solvers(cell.experiment, cell.method))
    course, given = _given(dataset, runs[0].data.prepared, start, cells, cell.dataset)
    if out.resolve() == given.path.resolve():
        raise UserError(f"--out {out}: the cells are read from this file, name another one")
    try:
        carried = run(runs, course, given.points, start, end, times, solver)
    except RunFailed as error:
        raise UserError(f"{'/'.join(cell.where)}: {error}") from None
    about = {
        "times": carried.numbers,
        "time_names": carried.names,
        "course_times": carried.times,
        "snapshots": course.labels,
        "snapshot_times": course.at,
        "seeds": [run.seed for run in runs],
        "experiment": cell.experiment,
        "dataset": cell.dataset,
        "method": cell.method,
        "budget": cell.config.budget,
        "solver": solver_text(solver),
        "velocity_unit": "original units per unit of course_times, in which snapshots are at snapshot_times",
    }
    record = watch.record(
        code_digest={"carry": code_digest("cfm.stages.carry", type(cell.family).__module__)},
        spec_digest=digest(cell.spec),
        cells_file=str(given.path),
        cells_sha256=file_digest(given.path) if given.path.is_file() else None,
        data_sha256=file_digest(cell.data),
        model_sha256={str(run.seed): file_digest(run.folder / MODEL) for run in runs},
        checkpoint=runs[0].checkpoint,
    )
    known = (given.names, given.obs, given.key)
    CarriedFile(*known, carried.points, carried.velocity, carried.mean, carried.std, about, record).write(out)
    taken = f" ({given.left} of other times are left out)" if given.left else ""
    way = f"from {carried.names[0]} to {carried.names[-1]} by {len(runs)} seeds of {cell.method}"
    return f"{len(given.names)} cells{taken} carried {way}, {solver_text(solver)}\nwritten: {out}"


def _loaded(cell: Cell) -> Sequence[LoadedRun]:
    """The trained runs of all seeds; `UserError` if one is missing, failed, or was trained with other settings."""
    from cfm.stages.load import load

    named = cell.config.methods[cell.method]
    if named.external:
        raise UserError(
            f"{cell.method} is external: its program keeps its network for itself, there is none to carry with"
        )
    if not named.method.trained:
        raise UserError(f"{cell.method} is a control without a network: name a trained method")
    missing = [str(seed) for seed, folder in cell.runs.items() if not (folder / MODEL).is_file()]
    again = (
        f"`make reproduce BUDGET={cell.config.budget} EXPERIMENTS={cell.experiment} DATASETS={cell.dataset} "
        f"METHODS={cell.method}` trains it"
    )
    if missing:
        raise UserError(f"{'/'.join(cell.where)}: seed {', '.join(missing)}: not trained; {again}")
    runs = [load(folder) for folder in cell.runs.values()]
    for run in runs:
        if run.data.spec != json.loads(cell.spec):
            raise UserError(f"{run.folder}: was trained with other settings than config/ says now; {again}")
    return runs


def _given(
    dataset: Dataset, data: Prepared, start: str, path: Path | None, name: str
) -> tuple[CourseTimes, GivenCells]:
    """The times of the data set, and the cells of time `start`: those of a file, or its own."""
    if not isinstance(dataset, Snapshots):
        if path is None:
            raise UserError(f"--cells: {name} has no cells in a file: name an .npz with an array 'points' (n, dim)")
        return CourseTimes.of(data), points_in(path, dataset.dim)
    own = dataset.cells()
    course = CourseTimes.of_cells(data, dataset, own)
    course.when(start, "--from")
    place = course.place(start)
    if path is not None:
        return course, cells_in(path, dataset, [start] if place is None else course.written[place])
    if place is None:
        raise UserError(f"--from: {start} lies between two times: name the cells that are there, --cells FILE")
    return course, cells_of(dataset, own, place)
