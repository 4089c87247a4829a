"""The report: well-formed, whole in itself, its numbers those of the tables, nothing in it taken for markup."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from cfm import config as configuration
from cfm.artifacts.layout import samples_path
from cfm.cli.reference import kept
from cfm.config import Config
from cfm.files import read_arrays, write_arrays
from cfm.results.report.curves import curves
from cfm.results.report.figures import embed
from cfm.results.report.origin import origin
from cfm.results.report.page import write
from cfm.results.report.runs import runs_by_experiment
from cfm.results.report.tables import block
from cfm.results.report.text import cell
from cfm.results.report.trajectories import _square, _stored, trajectories
from cfm.results.report.verdicts import counts, verdicts
from cfm.results.tables._cells import number
from cfm.results.tables.base import Grid
from tests.page_tree import Node, parse
from tests.small_results import HOSTILE, LAST_WORDS, REASON


@pytest.fixture(scope="module")
def config(reported: Config) -> Config:
    return reported


@pytest.fixture(scope="module")
def page(config: Config) -> Node:
    return parse(config.layout.report)


def test_the_page_needs_nothing_from_elsewhere(page: Node) -> None:
    policy = next(m for m in page.all("meta") if m.attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy.attributes["content"].startswith("default-src 'none'; img-src data:;")
    assert not page.all("link") and not any("src" in script.attributes for script in page.all("script"))
    assert all(image.attributes["src"].startswith("data:") for image in page.all("img"))
    links = [a.attributes["href"] for a in page.all("a")]
    assert links and not any(link.startswith(("http", "/", "file")) for link in links)


def test_links_lead_to_what_is_there(config: Config, page: Node) -> None:
    ids = [
        node.attributes["id"]
        for tag in ("section", "details", "h3", "main")
        for node in page.all(tag)
        if "id" in node.attributes
    ]
    assert len(ids) == len(set(ids))
    for link in (a.attributes["href"] for a in page.all("a")):
        assert link[1:] in ids if link.startswith("#") else (config.layout.root / unquote(link)).is_file(), link
    assert len(page.all("a", "log")) == 16  # one training log for each pair of data set and method


def test_every_figure_has_a_caption_and_a_text_for_those_who_do_not_see_it(page: Node) -> None:
    figures = page.all("figure")
    assert len(figures) == 2 * 4 + 2
    texts = [image.attributes["alt"] for f in figures for image in f.all("img")]
    assert len(set(texts)) == len(figures) and all(len(text) > 40 for text in texts)
    assert all("Seed 42" in f.all("figcaption")[0].text for f in figures)
    assert "Figure 7 (runtime) is not drawn" in page.text
    assert page.text.count("the animation is in the file") == 2


@pytest.mark.parametrize("name", ["table2", "table2_large"])
def test_the_pages_numbers_are_the_tables(config: Config, page: Node, name: str) -> None:
    with open(config.layout.table("toy2d", name, "csv"), newline="") as file:
        rows = [*csv.DictReader(file)]
    labels = {n: d.entry.label for n, d in config.datasets.items()} | {"all": "mean over data sets"}
    shown = {}
    for table in page.all("table"):
        # "its words (name, unit; which are better)"
        metric = table.all("caption")[0].text.split(" (")[-1].split(",")[0]
        head = [re.sub(r"\s+", " ", th.text).strip() for th in table.all("thead")[0].all("th")]
        for line in table.all("tbody")[0].all("tr"):
            texts = [node.text for node in line.children]
            shown.update({(metric, texts[0], column): text for column, text in zip(head[1:], texts[1:], strict=True)})
    assert len(rows) > 20
    for row in rows:
        text = shown[row["metric"], config.methods[row["method"]].entry.label, labels[row["dataset"]]]
        if row["mean"]:
            spread = f" ± {number(float(row['std']))}" if row["std"] else ""
            assert text.startswith(f"{number(float(row['mean']))}{spread} (n={row['n']}")
        if row["paper_mean"]:
            assert f"paper: {number(float(row['paper_mean']))}" in text


def test_hostile_names_and_reasons_stay_text(config: Config, page: Node) -> None:
    assert not [image for image in page.all("img") if image.attributes["src"] == "x"]
    assert HOSTILE in [th.text for th in page.all("th")]
    assert REASON in page.text and LAST_WORDS in page.text
    stored = {s.attributes["id"]: json.loads(s.text) for s in page.all("script") if s.attributes.get("type")}
    assert stored["flow-toy2d"]["methods"]["sbcfm"] == stored["curves-toy2d"]["methods"]["sbcfm"] == HOSTILE


def test_the_page_opens_with_a_table_of_what_was_run(config: Config, page: Node) -> None:
    """Before it stand a title and one line that says what the page is about."""
    body = page.all("body")[0]
    ran = body.all("p", "ran")[0].text
    assert "toy2d, taxonomy" in ran and "1 failed" in ran and "seeds 42 to 43" in ran
    first = body.all("main")[0].all("section")[0]
    assert first.attributes["id"] == "toy2d"
    above = first.text.split(first.all("table")[0].text)[0]
    assert len(above.split()) < 70 and not first.all("table")[0].attributes.get("hidden")


def test_the_verdict_counts_what_was_run_and_folds_the_rest_into_one_line(config: Config, page: Node) -> None:
    last = page.all("section")[-1]
    assert last.attributes["id"] == "verdict"
    found = verdicts(config)
    run = [verdict for verdict in found if verdict.run]
    assert {verdict.experiment for verdict in run} == {"toy2d"}
    numbers = {b.attributes["data-filter"]: int(b.all("span", "count")[0].text) for b in last.all("button", "tile")}
    assert numbers == counts(run) and sum(numbers.values()) == len(run) == len(last.all("details", "claim"))
    assert numbers["not run"] < len(run), "no claim was judged"
    fold = last.all("details", "others")[0]
    assert len(fold.all("li")) == len(found) - len(run) and "open" not in fold.attributes
    assert fold.all("summary")[0].text == f"{len(found) - len(run)} statements on experiments that were not run"
    assert f"seeds 43, failed: {REASON}" in last.text
    assert f"seeds 42, 43, unfinished: {LAST_WORDS}" in last.text


def test_tables_can_be_sorted_and_are_labelled(page: Node) -> None:
    tables = page.all("table", "sortable")
    assert len(tables) > 8
    for table in tables:
        assert table.all("caption")[0].text
        assert all(th.attributes["scope"] in ("col", "row") for th in table.all("th"))
        assert all(th.all("button") for th in table.all("thead")[0].all("th") if "aria-sort" in th.attributes)


def test_cells_are_ordered_by_their_number() -> None:
    grid = Grid("", ["method", "a", "b"], [["x", "**1.5 ± 0.2** (n=3)<br>paper: 9", "yes"], ["2-RF", "-2e-05", "—"]])
    shown = block(grid)
    assert shown.numeric == [False, True, False]
    assert [[c.order for c in row] for row in shown.rows] == [[None, 1.5, None], [2.0, -2e-05, None]]
    controls = [["y", "—", "—"], ["z", "not measured<br>paper: 9", "—"]]
    assert block(Grid("", grid.columns, grid.rows + controls)).numeric == [False, True, False]
    assert str(cell("**1** (n=3)<br>paper: 2‡ ✗")) == (
        '<strong>1</strong> <span class="n">(n=3)</span><span class="theirs">paper: 2‡ '
        '<span class="differs" role="img" aria-label="differs">✗</span></span>'
    )


def test_trajectories_are_the_samples_to_a_thousandth(config: Config) -> None:
    found = trajectories(config, "toy2d")
    assert found is not None and [*found["methods"]][:2] == ["icfm", "otcfm"]
    data = found["datasets"]["moons_8gaussians"]
    assert "rf2" not in data["views"], "it has no samples"
    view = data["views"]["icfm"]["rk4"]  # the first: its sources make the square
    whole = np.frombuffer(base64.b64decode(view["x"]), "<i2").reshape(len(view["t"]), -1, 2)
    stored = read_arrays(samples_path(config.layout.run("toy2d", "moons_8gaussians", "icfm", 42), "rk4"))
    target = read_arrays(config.layout.data("toy2d", "moons_8gaussians"))["test_1"]
    centre, bound = _square(stored["x0"], target)
    inside = np.abs(stored["trajectory"] - centre).max(axis=2) < 1.9 * bound
    assert inside.mean() > 0.98
    assert np.abs(whole * bound / 16384 + centre - stored["trajectory"])[inside].max() < 1e-3
    assert re.fullmatch(r"W2 [\d.]+, NPE [\d.]+, \d+ evaluations \(mean of 2 seeds\)", view["facts"])


def test_of_many_times_some_are_kept_with_both_ends(tmp_path: Path) -> None:
    path, t = tmp_path / "rk4.npz", np.linspace(0, 1, 101, dtype=np.float32)
    write_arrays(path, {"t": t, "trajectory": np.repeat(t, 6).reshape(101, 3, 2)})
    stored = _stored(path)
    assert stored is not None and len(stored[0]) == 13
    assert (stored[0][0], stored[0][-1]) == (0, 1) and (stored[1][:, 0, 0] == stored[0]).all()


def test_many_trajectories_have_fewer_points_each(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfm.results.report.trajectories._BYTES", 0)
    found = trajectories(config, "toy2d")
    assert found is not None
    view = found["datasets"]["moons_8gaussians"]["views"]["otcfm"]["rk4"]
    assert len(base64.b64decode(view["x"])) == 4 * 5 * 20


@pytest.mark.parametrize("quantity", ["val_w2", "val_frechet", "val_loss", "train_loss"])
def test_curves_are_means_over_seeds(config: Config, quantity: str) -> None:
    found = curves(config, "toy2d")
    assert found is not None
    curve = found["datasets"]["gaussian_8gaussians"]["curves"]["icfm"]
    values = []
    for seed in (42, 43):
        path = config.layout.run("toy2d", "gaussian_8gaussians", "icfm", seed) / "train.csv"
        values.append(float([*csv.DictReader(io.StringIO(path.read_text()))][-1][quantity]))
    assert curve["seeds"] == 2
    assert found["quantities"].keys() >= {quantity}
    assert curve[quantity][-1] == pytest.approx([30, np.mean(values), min(values), max(values)], rel=1e-3)


def test_wide_pictures_are_made_smaller(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 2800, 3), dtype=np.uint8)).save(path)
    source, width, height = embed(path)
    assert (width, height) == (1400, 50) and source.startswith("data:image/webp;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).size == (1400, 50)


def test_the_same_results_give_the_same_page(config: Config, page: Node) -> None:
    before = config.layout.report.read_bytes()
    assert write(config).read_bytes() == before


def test_of_runs_that_are_kept_only_numbers_and_provenance_are_there() -> None:
    config = kept(configuration.load("quick", ("toy2d",)))
    runs = runs_by_experiment(config)["toy2d"]
    made = origin(config, "toy2d")
    assert made is not None and made.seeds == [42, 43, 44] and made.commits
    assert runs.counts == {"done": made.runs} and runs.complete and not any(line.logs for line in runs.lines)
