"""The figures of an experiment, embedded, each with its caption and a text for those who do not see it."""

from __future__ import annotations

import base64
import importlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cfm.config import Config
from cfm.results.figures._failed import failed_figures
from cfm.results.figures.base import datasets_drawn, figure_paths, kind_of, methods_shown
from cfm.results.labels import dataset_label
from cfm.settings import Figure

_WIDTH = 1400  # pixels: sharp on a screen twice as fine as the page's column is wide
_QUALITY = 80
_NOT_KEPT = {"data": "prepared data", "samples": "samples", "training": "training logs"}


@dataclass(frozen=True)
class Picture:
    """One picture of a figure; `label` of its data set, if it shows one; `files` are relative to the page."""

    label: str | None
    source: str
    width: int
    height: int
    alternative: str
    facts: str
    files: Sequence[Path]


@dataclass(frozen=True)
class Undrawn:
    """What of a figure could not be drawn: its data set, or its name, why, and the note with the traceback."""

    label: str
    reason: str
    note: Path


@dataclass(frozen=True)
class FigureView:
    """A figure: one picture, or one per data set; `absent` are the data sets whose picture is not drawn yet, `failed`
    those that could not be drawn.

    `made_from`: what it is drawn from, in words, if that is not in the repository.
    """

    name: str
    caption: str
    pictures: Sequence[Picture]
    absent: Sequence[str]
    made_from: str | None
    failed: Sequence[Undrawn] = ()


def figures(config: Config, experiment: str) -> list[FigureView]:
    """All figures of an experiment, those that are not drawn yet as well."""
    found = []
    notes = {(f.name, f.dataset): f for f in failed_figures(config, experiment)}
    for name, figure in config.experiments[experiment].figures.items():
        kind = kind_of(figure)
        shown = datasets_drawn(config, experiment, figure)
        datasets: Sequence[str | None] = shown if kind.per_dataset or not shown else (None,)
        drawn = {dataset: _picture(config, experiment, name, figure, dataset) for dataset in datasets}
        labels = {dataset: dataset_label(config, experiment, dataset) if dataset else name for dataset in datasets}
        failed = {d: note for d in datasets if (note := notes.get((name, d))) is not None}
        absent = [labels[d] for d, picture in drawn.items() if picture is None and d not in failed]
        root = config.layout.root
        undrawn = [Undrawn(labels[d], note.reason, note.note.relative_to(root)) for d, note in failed.items()]
        pictures = [picture for picture in drawn.values() if picture is not None]
        found.append(FigureView(name, figure.caption, pictures, absent, _NOT_KEPT.get(kind.shows), undrawn))
    return found


def _picture(config: Config, experiment: str, name: str, figure: Figure, dataset: str | None) -> Picture | None:
    paths = figure_paths(config, experiment, name, dataset)
    shown = next((paths[suffix] for suffix in ("png", "gif") if suffix in paths and paths[suffix].exists()), None)
    if shown is None:
        return None
    source, width, height = embed(shown)
    label = dataset_label(config, experiment, dataset) if dataset else None
    methods = ", ".join(config.methods[m].entry.label for m in methods_shown(config, experiment, figure, dataset))
    kind = str(importlib.import_module(f"cfm.results.figures.{figure.kind}").__doc__).split("\n")[0]
    alternative = f"{kind}{f' Data: {label}.' if label else ''} Methods: {methods}."
    facts = paths["md"].read_text(encoding="utf-8").split("\n\n", 1)[-1].strip() if paths["md"].exists() else ""
    if shown.suffix == ".gif":
        facts += " This is the last frame; the animation is in the file."
    files = [path.relative_to(config.layout.root) for s, path in paths.items() if s != "md" and path.exists()]
    return Picture(label, source, width, height, alternative, facts, files)


def embed(path: Path) -> tuple[str, int, int]:
    """A picture as a data URI with its width and height, no wider than the page can use; the last frame of a gif."""
    with Image.open(path) as image:
        image.seek(getattr(image, "n_frames", 1) - 1)
        picture = image.convert("RGB")
    if picture.width > _WIDTH:
        size = _WIDTH, round(picture.height * _WIDTH / picture.width)
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    smaller = io.BytesIO()
    picture.save(smaller, "webp", quality=_QUALITY, method=2)
    content, kind = smaller.getvalue(), "webp"
    if path.suffix == ".png" and path.stat().st_size <= len(content):
        content, kind = path.read_bytes(), "png"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}", picture.width, picture.height
