"""Figures that could not be drawn: a note beside the others says why, until the figure is tried again."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cfm.artifacts.layout import CLAIM_SUFFIXES, TABLE_SUFFIXES
from cfm.config import Config
from cfm.errors import UserError, one_line
from cfm.files import write_text
from cfm.results.figures.base import draw, figure_paths, figures_due, require_dataset
from cfm.workflow.status import run_states


@dataclass(frozen=True)
class Failed:
    """A figure, or its part for a data set, that could not be drawn; `note` has the traceback."""

    experiment: str
    name: str
    dataset: str | None
    reason: str
    note: Path


def draw_or_note(config: Config, experiment: str, name: str, dataset: str | None) -> str | None:
    """Draw a figure; returns the reason if its kind raises, and then there is a note in the place of its files.

    `UserError` if it does not show the data set.
    """
    require_dataset(config, experiment, name, dataset)
    note = config.layout.failed_figure(experiment, name, dataset)
    note.unlink(missing_ok=True)
    try:
        draw(config, experiment, name, dataset)
    except Exception as error:  # whatever drawing raises
        for path in figure_paths(config, experiment, name, dataset).values():  # of an earlier run
            path.unlink(missing_ok=True)
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error} ({_place(error)})"
        write_text(note, f"{one_line(reason)}\n\n{traceback.format_exc()}")
        return one_line(reason)
    return None


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def failed_figures(config: Config, experiment: str) -> Iterator[Failed]:
    """Those of an experiment that have a note, in the order of its figures."""
    for name, dataset in figures_due(config, experiment):
        note = config.layout.failed_figure(experiment, name, dataset)
        if note.exists():
            reason = note.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
            yield Failed(experiment, name, dataset, reason, note)


def undrawn_lines(config: Config) -> list[str]:
    """A line for each of all experiments, for the screen."""
    failed = [found for name in config.experiments for found in failed_figures(config, name)]
    return [
        f"figure failed: {found.experiment}/{'_'.join(filter(None, (found.name, found.dataset)))}: {found.reason}; "
        f"the traceback is in {found.note}"
        for found in failed
    ]


def only_figures_failed(config: Config) -> bool:
    """Are all runs, tables, claims and figures there but for figures that have a note?"""
    layout = config.layout
    runs = [state.state in ("done", "failed") for state in run_states(config)]
    tables = [
        layout.table(experiment, name, suffix)
        for experiment, settings in config.experiments.items()
        for name in settings.tables
        for suffix in TABLE_SUFFIXES
    ]
    claims = [layout.claims(suffix) for suffix in CLAIM_SUFFIXES]
    figures = [(note.exists(), all(path.exists() for path in paths)) for note, paths in _figure_files(config)]
    return (
        all(runs)
        and all(path.exists() for path in (*tables, *claims))
        and all(noted or drawn for noted, drawn in figures)
        and any(noted for noted, _ in figures)
    )


def _figure_files(config: Config) -> Iterator[tuple[Path, list[Path]]]:
    """Of every figure where its note would be, and its files."""
    for experiment in config.experiments:
        for name, dataset in figures_due(config, experiment):
            paths = [*figure_paths(config, experiment, name, dataset).values()]
            yield config.layout.failed_figure(experiment, name, dataset), paths
