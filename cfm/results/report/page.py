"""Building the page: everything is gathered, then one template makes it one file that needs nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cfm.config import Config
from cfm.files import write_text
from cfm.results.claims.report import HOW
from cfm.results.claims.summary import others, plural, tally
from cfm.results.published import MARK_NOTES
from cfm.results.report import FILES
from cfm.results.report.beside import Beside, beside
from cfm.results.report.costs import costs
from cfm.results.report.curves import curves
from cfm.results.report.figures import FigureView, figures
from cfm.results.report.origin import Origin, origin
from cfm.results.report.runs import Runs, runs_by_experiment
from cfm.results.report.tables import Block, TableView, tables
from cfm.results.report.trajectories import trajectories
from cfm.results.report.verdicts import Verdict, counts, verdicts
from cfm.results.timing import warning
from cfm.workflow.status import by_group


@dataclass(frozen=True)
class Section:
    """All that the page shows of an experiment."""

    name: str
    title: str
    skipped: Mapping[str, str]
    runs: Runs
    claims: Mapping[str, int]
    tables: Sequence[TableView]
    beside: Beside | None
    figures: Sequence[FigureView]
    trajectories: Mapping[str, Any] | None
    curves: Mapping[str, Any] | None
    costs: Block | None
    seconds: str | None
    origin: Origin | None


@dataclass(frozen=True)
class Ran:
    """What the page is about, in numbers: experiments with tables, runs by state, their seeds, figures that failed."""

    experiments: Sequence[str]
    runs: Mapping[str, int]
    seeds: Sequence[int]
    undrawn: int


def write(config: Config) -> Path:
    """Write the report of whatever results there are, and return its path."""
    found = verdicts(config)
    runs = runs_by_experiment(config)
    sections = [_section(config, name, runs[name], found) for name in config.asked]
    sections.sort(key=lambda section: (not section.tables, not section.runs.counts))  # numbers, then what needs no run
    here = [verdict for verdict in found if verdict.run]
    environment = Environment(
        loader=FileSystemLoader(FILES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # methods and data sets stay in their order
    environment.globals.update(plural=plural, others_text=others)
    text = environment.get_template("page.html").render(
        budget=config.budget,
        sections=sections,
        verdicts=here,
        others=[verdict for verdict in found if not verdict.run],
        counts=counts(here),
        tally=tally((verdict.ours, verdict.word) for verdict in here),
        ran=_ran(sections),
        how=" ".join(HOW),
        marks=[*MARK_NOTES.values()],
        style=_asset("style.css"),
        scripts=[_asset(name) for name in ("sort.js", "views.js", "flow.js", "curves.js")],
    )
    write_text(config.layout.report, text)
    return config.layout.report


def _section(config: Config, name: str, runs: Runs, found: Sequence[Verdict]) -> Section:
    mine = [verdict for verdict in found if verdict.experiment == name]
    return Section(
        name,
        config.asked[name].title,
        by_group(config.datasets, config.unavailable_reasons(name)),
        runs,
        {word: n for word, n in counts(mine).items() if n},
        tables(config, name),
        beside(config, name),
        figures(config, name),
        trajectories(config, name),
        curves(config, name),
        costs(config, name),
        warning(config, "train_seconds"),
        origin(config, name),
    )


def _ran(sections: Sequence[Section]) -> Ran:
    states: Counter[str] = Counter()
    for section in sections:
        states.update(section.runs.counts)
    seeds = sorted({seed for section in sections for line in section.runs.lines for seed in line.seeds})
    undrawn = sum(len(figure.failed) for section in sections for figure in section.figures)
    return Ran([section.name for section in sections if section.tables], states, seeds, undrawn)


def _asset(name: str) -> Markup:
    """A file of our own, put into the page as it is."""
    return Markup((FILES / name).read_text(encoding="utf-8"))
