"""The sections of the report: what is made of runs that are few, of own methods, and of figures that failed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from markupsafe import escape

from cfm.artifacts.runs import read_runs
from cfm.config.entries import NamedMethod
from cfm.results.compare import compare
from cfm.results.report.beside import beside
from cfm.results.report.page import write
from tests.page_tree import parse
from tests.small_results import HOSTILE, small_config, small_results


def test_methods_that_are_not_the_papers_stand_against_its_ot_cfm(tmp_path: Path) -> None:
    """A row for each that is trained, with the numbers of `compare`."""
    config = small_results(tmp_path)
    assert beside(config, "toy2d") is None  # all of these are in the paper
    mine = config.methods["icfm"]
    own = NamedMethod(mine.name, replace(mine.entry, paper=None, label=HOSTILE), mine.method)
    config = replace(config, methods={**config.methods, "icfm": own})
    found = beside(config, "toy2d")
    assert found is not None and found.against == "otcfm" and found.label == "OT-CFM"
    (row,) = found.grid.rows
    assert row[0].html == escape(HOSTILE)
    runs = read_runs(config.layout.runs("toy2d"))
    expected = compare(config, "toy2d", runs, "rk4", "w2", ("icfm", "otcfm")).pooled
    assert expected is not None and expected.result is not None
    assert f"× {math.exp(expected.result.mean):.3g} [" in str(row[1].html)
    assert f"p = {expected.result.two_sided:.2g}: undecided" in str(row[1].html)
    page = parse(write(config))
    assert "Methods that are not the paper's, against OT-CFM" in page.text
    assert "python -m cfm compare METHOD otcfm --experiment toy2d" in page.text


def test_a_figure_that_could_not_be_drawn_has_its_reason_in_its_place(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    note = config.layout.failed_figure("toy2d", "runtime", None)
    note.parent.mkdir(parents=True)
    note.write_text(f"RuntimeError: {HOSTILE} (runtime.py:3)\n\nTraceback ...\n")
    page = parse(write(config))
    said = " ".join(page.all("p", "failed")[0].text.split())
    assert said.startswith(
        f"Figure 7 (runtime) could not be drawn: RuntimeError: {HOSTILE} (runtime.py:3) (traceback)."
    )
    assert "Figure 7 (runtime) is not drawn" not in page.text and "1 figure failed" in page.all("p", "ran")[0].text
    assert page.all("p", "failed")[0].all("a")[0].attributes["href"] == "toy2d/figures/runtime.failed.txt"


def test_without_any_results_the_page_says_so(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    skipped = {"moons_8gaussians": "moons.npz (sha256 1234) is not there"}
    config = replace(config, unavailable=skipped)
    empty = parse(write(config))
    assert "there are no tables yet" in empty.text
    assert "moons_8gaussians: moons.npz (sha256 1234) is not there" in empty.all("section")[-1].text
    assert "No statement is about what was run here" in empty.all("section")[-1].text
    assert not empty.all("figure")
