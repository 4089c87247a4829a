"""The pictures of kept runs: those that README.md and the manual show, made small enough for the repository."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageSequence

from cfm.config import Config
from cfm.files import atomic
from cfm.results.figures.base import draw, kind_of

LARGEST = 400_000  # bytes of a picture
_WIDTH = 1100  # pixels: as wide as a page shows them
_COLOURS = (256, 128, 64, 32)  # tried in turn
_ANIMATED_COLOURS = 64
_STEPS = (1, 2, 3, 4, 6)  # likewise: every frame, every second one, ...


def keep_pictures(config: Config, there: Config) -> None:
    """Of the experiments of `config`; those of `runs.csv` are drawn of all that is kept `there`, the others copied.

    Pictures that are no longer shown go.
    """
    root = there.layout.root
    pictures = shown(root)
    for path in pictures:
        experiment, name = path.parts[-3], path.stem
        if experiment not in config.asked:
            continue
        made = config.layout.root / path.relative_to(root)
        if there.layout.runs(experiment).exists() and name in figures_of_runs(there, experiment):
            draw(there, experiment, name, None)
            make_small(path, path)
        elif made.exists():
            make_small(made, path)
            shutil.copyfile(made.with_suffix(".md"), path.with_suffix(".md"))
    stems = {path.with_suffix("") for path in pictures}
    for path in root.glob("*/figures/*"):
        if path.with_suffix("") not in stems or path.suffix == ".pdf":
            path.unlink()


def figures_of_runs(config: Config, experiment: str) -> list[str]:
    """The figures that are drawn from `runs.csv`."""
    figures = config.experiments[experiment].figures
    return [name for name, figure in figures.items() if kind_of(figure).shows == "runs"]


def shown(folder: Path) -> set[Path]:
    """The pictures in a folder, relative to the project's, that README.md or a page of docs/ links to."""
    pages = [Path("README.md"), *Path("docs").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages if page.exists())
    return {Path(link) for link in re.findall(rf"{re.escape(folder.as_posix())}/[\w/.-]+\.(?:png|gif)", text)}


def make_small(source: Path, target: Path) -> None:
    """Write a picture with few colours, no wider than a page, an animation with fewer frames, of `LARGEST` bytes.

    The smallest that was tried is written if none has so few bytes.
    """
    with Image.open(source) as image:
        tries = _animations(image) if source.suffix == ".gif" else _stills(image.convert("RGB"))
        for content in tries:  # the last one stays if none is small enough
            if len(content) <= LARGEST:
                break
    with atomic(target) as unfinished:
        unfinished.write_bytes(content)


def _stills(image: Image.Image) -> Iterator[bytes]:
    sizes = [image]
    if image.width > _WIDTH:  # pictures of few pixels, drawn large, have more bytes once they are scaled
        height = round(image.height * _WIDTH / image.width)
        sizes.append(image.resize((_WIDTH, height), Image.Resampling.LANCZOS))
    for colours in _COLOURS:
        yield min((_encode([_reduced(size, colours)], "png") for size in sizes), key=len)


def _animations(image: Image.Image) -> Iterator[bytes]:
    """With all frames, then fewer; the last one always stays, and each as long as those that it stands for."""
    frames = [(frame.convert("RGB"), frame.info["duration"]) for frame in ImageSequence.Iterator(image)]
    width, height = image.size
    strip = Image.new("RGB", (width, height * len(frames)))
    for k, (frame, _) in enumerate(frames):
        strip.paste(frame, (0, k * height))
    palette = _reduced(strip, _ANIMATED_COLOURS)  # one for all, so that what stands still does not flicker
    for step in _STEPS:
        kept = [*range(0, len(frames) - 1, step), len(frames) - 1]
        ends = [*kept[1:], len(frames)]
        times = [sum(time for _, time in frames[a:b]) for a, b in zip(kept, ends, strict=True)]
        pictures = [frames[k][0].quantize(palette=palette, dither=Image.Dither.NONE) for k in kept]
        yield _encode(pictures, "gif", save_all=True, append_images=pictures[1:], duration=times, loop=0)


def _reduced(image: Image.Image, colours: int) -> Image.Image:
    return image.quantize(colours, method=Image.Quantize.MAXCOVERAGE)  # which leaves white white and black black


def _encode(pictures: list[Image.Image], kind: str, **settings: Any) -> bytes:
    written = io.BytesIO()
    pictures[0].save(written, kind, optimize=True, **settings)
    return written.getvalue()
