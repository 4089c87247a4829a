"""Drawing a figure: one style for all, png for screens, pdf for papers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cfm.artifacts.layout import TRAINING_LOG, Run, samples_path
from cfm.config import Config
from cfm.config.strict import Where, check_name
from cfm.errors import UserError, one_line
from cfm.files import atomic, write_text
from cfm.results.figures._captions import caption
from cfm.settings import Figure

if TYPE_CHECKING:
    from matplotlib.axis import Axis

# From Okabe and Ito's palette, which stays apart for colour-blind readers.
COLOURS = {"green": "#009E73", "blue": "#0072B2", "grey": "#999999"}
# One line after the other in a plot: colour and marker differ.
SERIES = [
    {"color": colour, "marker": marker}
    for colour, marker in zip(
        ("#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#F0E442"),
        "osv^XP*h",
        strict=True,
    )
]

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "savefig.bbox": "tight",
    "pdf.fonttype": 42,
}


Source = Literal["data", "samples", "training", "runs"]


@dataclass(frozen=True)
class Kind:
    """A kind of figure: the `FIGURE` that its file ends with.

    `draw(config, experiment, settings, dataset)` returns a figure of matplotlib, or an animation. `shows`: what it is
    drawn from, the data of one data set; its data and the first seed's samples; or, all data sets in one figure,
    `train.csv` of all runs, or `runs.csv`. `plane`: is it a map of the plane, for data of two dimensions only?
    `pictures`: the formats of its files.
    """

    draw: Callable[[Config, str, Figure, str | None], Any]
    shows: Source
    plane: bool
    pictures: tuple[str, ...] = ("png", "pdf")

    @property
    def per_dataset(self) -> bool:
        """Is there one for each data set?"""
        return self.shows in ("data", "samples")

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of its files: pictures, and the caption as markdown."""
        return (*self.pictures, "md")


def kind_of(settings: Figure) -> Kind:
    """The kind of a figure, by its name."""
    try:
        module = importlib.import_module(f"cfm.results.figures.{settings.kind}")
    except Exception as error:  # whatever a file of the user's raises when it is read
        reason = one_line(f"{type(error).__name__}: {error}")
        raise UserError(f"cfm/results/figures/{settings.kind}.py: cannot be imported: {reason}") from error
    found = getattr(module, "FIGURE", None)
    if not isinstance(found, Kind):
        raise UserError(f"{module.__file__}: has no 'FIGURE': end it with FIGURE = Kind(draw, shows=..., plane=...)")
    return found


def methods_shown(config: Config, experiment: str, settings: Figure, dataset: str | None = None) -> list[str]:
    """The methods of a figure: those it names and the user's own, or if none of them takes part, and if it names none,
    all trained ones; on a data set, if given, those that run there, and have what is shown of them."""
    present, kind = config.methods_of(experiment), kind_of(settings)
    known = {name: config.methods[name].method for name in present}
    with_path = {name for name in present if kind.shows != "data" or known[name].conditional_path is not None}
    trained = [name for name in present if known[name].trained and (name in with_path or not settings.methods)]
    named = [name for name in settings.methods if name in present]
    if named:
        named += [name for name in trained if config.methods[name].mine and name not in named]
    else:
        named = trained
    if dataset is None:
        return named
    possible = [name for name in named if config.skip_reason(dataset, name) is None]
    return [
        name for name in possible if kind.shows != "samples" or _sampled(config, experiment, settings, dataset, name)
    ]


def _sampled(config: Config, experiment: str, settings: Figure, dataset: str, method: str) -> bool:
    """Are the samples of the seed that is shown there, or to be made? Those of earlier runs may have been deleted."""
    run = Run(dataset, method, config.first_seed(experiment, dataset))
    if run not in config.beyond.get(experiment, ()):
        return run.seed in config.seeds(experiment, dataset, method)
    assert settings.solver is not None
    return samples_path(config.layout.run(experiment, *run), settings.solver).exists()


def datasets_shown(config: Config, experiment: str, settings: Figure) -> list[str]:
    """The data sets of a figure: those of the experiment, of two dimensions only if its kind is a map of the plane."""
    names = config.experiments[experiment].datasets
    return [name for name in names if not kind_of(settings).plane or config.datasets[name].dataset.dim == 2]


def datasets_drawn(config: Config, experiment: str, settings: Figure) -> list[str]:
    """Those of them that there is something to show of: methods, and where it shows one data set, this."""
    names = datasets_shown(config, experiment, settings)
    if not kind_of(settings).per_dataset:
        return names if methods_shown(config, experiment, settings) else []
    asked = {*config.asked[experiment].datasets} - config.unavailable.keys()
    there = [name for name in names if name in asked or config.layout.data(experiment, name).exists()]
    return [name for name in there if methods_shown(config, experiment, settings, name)]


def figures_due(config: Config, experiment: str) -> list[tuple[str, str | None]]:
    """Every figure of an experiment that there is something to show in, by name, with its data set if it shows one."""
    found: list[tuple[str, str | None]] = []
    for name, figure in config.experiments[experiment].figures.items():
        datasets = datasets_drawn(config, experiment, figure)
        per_dataset = kind_of(figure).per_dataset
        found += [(name, dataset) for dataset in datasets] if per_dataset else [(name, None)] if datasets else []
    return found


def figure_paths(config: Config, experiment: str, name: str, dataset: str | None) -> dict[str, Path]:
    """The files of a figure by their suffixes."""
    suffixes = kind_of(config.experiments[experiment].figures[name]).suffixes
    return {suffix: config.layout.figure(experiment, name, dataset, suffix) for suffix in suffixes}


def seeds_shown(config: Config, experiment: str, settings: Figure, dataset: str | None) -> tuple[int, ...]:
    """The first seed where points are shown, all seeds where numbers are."""
    return config.experiments[experiment].seeds if dataset is None else (config.first_seed(experiment, dataset),)


def runs_shown(config: Config, experiment: str, settings: Figure, dataset: str | None) -> list[Path]:
    """The folders of the runs that a figure of samples or of training is drawn from."""
    if dataset is not None:
        seed, methods = config.first_seed(experiment, dataset), methods_shown(config, experiment, settings, dataset)
        return [config.layout.run(experiment, dataset, method, seed) for method in methods]
    methods, beyond = methods_shown(config, experiment, settings), config.beyond.get(experiment, ())
    return [
        folder
        for run, folder in config.runs(experiment).items()
        if run.method in methods and not config.methods[run.method].external
        if run not in beyond or (folder / TRAINING_LOG).exists()
    ]


def require_dataset(config: Config, experiment: str, name: str, dataset: str | None) -> None:
    """`UserError` if a figure does not show the data set, or one is named for a figure of all, or none for another."""
    settings = config.experiments[experiment].figures[name]
    if kind_of(settings).per_dataset:
        check_name(dataset or "", datasets_drawn(config, experiment, settings), "data set", Where("--dataset"))
    elif dataset is not None:
        raise UserError(f"--dataset: the figure '{name}' shows all data sets of {experiment}")


def draw(config: Config, experiment: str, name: str, dataset: str | None) -> None:
    """Write a figure of an experiment, for one data set or all as its kind has it, in its formats, and its caption.

    `UserError` if it does not show the data set.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    settings = config.experiments[experiment].figures[name]
    kind = kind_of(settings)
    require_dataset(config, experiment, name, dataset)
    seeds = seeds_shown(config, experiment, settings, dataset)
    with pyplot.rc_context(STYLE):
        picture = kind.draw(config, experiment, settings, dataset)
        for suffix, path in figure_paths(config, experiment, name, dataset).items():
            if suffix == "md":
                methods = methods_shown(config, experiment, settings, dataset)
                write_text(path, caption(config, experiment, settings, dataset, seeds, methods))
            else:
                save(picture, path)
        pyplot.close("all")


def plain_log(axis: Axis) -> None:
    """Label a logarithmic axis at 1, 2, 5, 10, ..., as plain numbers."""
    from matplotlib import ticker

    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.set_minor_locator(ticker.NullLocator())


def save(figure: Any, path: Path) -> None:
    """Write a figure as png or pdf, or an animation as gif, without a date: the same numbers give the same bytes."""
    suffix = path.suffix[1:]
    if suffix == "gif":
        with atomic(path) as unfinished:
            figure.save(unfinished, writer="pillow", dpi="figure")
        return
    metadata = {"CreationDate": None} if suffix == "pdf" else {"Software": None}
    with atomic(path) as unfinished:
        figure.savefig(unfinished, format=suffix, metadata=metadata)
