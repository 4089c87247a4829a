"""The manual: its map is that of the code, its examples work, and the messages it explains exist."""

import ast
import re
from collections.abc import Container
from pathlib import Path
from xml.etree import ElementTree

import map as code_map
import numpy as np
import pytest
import yaml
from way import WALK, Hop

from cfm.__main__ import main
from cfm.config.strict import Where, build
from cfm.datasets.base import Dataset
from cfm.metrics.base import Evaluation, Metric
from cfm.rng import stream
from cfm.settings import Experiment, Sizes
from cfm.stages import STAGES
from tests.manual_pages import examples

_BY_OTHERS = {"No space left on device"}  # said by the operating system


def test_the_map_is_that_of_the_code() -> None:
    assert Path("docs/architecture.md").read_text() == code_map.page(), "run: python docs/map.py"
    assert Path("docs/rooms.svg").read_text() == code_map.house(), "run: python docs/map.py"
    assert ElementTree.parse("docs/rooms.svg").getroot().tag.endswith("svg")


@pytest.mark.parametrize("hop", WALK, ids=lambda hop: hop.name)
def test_the_walk_leads_through_functions_that_exist(hop: Hop) -> None:
    gone = [f"{file} has no '{name}'" for file, name in hop.where if name not in _names_in(Path(file))]
    assert hop.where and not gone, "; ".join(gone)


def test_the_walk_is_short() -> None:
    assert len(WALK) <= 7


def test_rules_and_verbs_of_the_stages_exist() -> None:
    rules = {path.stem for path in Path("workflow/rules").glob("*.smk")} - {"common", "resources"}
    assert rules == {stage.rules for stage in STAGES.values()}
    for verb in STAGES:
        with pytest.raises(SystemExit, match="0"):
            main([verb, "--help"])


def test_every_finding_has_its_form_and_is_named() -> None:
    findings, conventions = sorted(Path("findings").iterdir()), Path("docs/conventions.md").read_text()
    assert findings
    for finding in findings:
        said = finding.read_text()
        for part in ("# Expected: ", "# What happens (", "# Seen on ", "# Instead: ", "mktemp -d", "==", "sys.exit("):
            assert part in said, f"{finding}: no '{part}'"
        assert f"](../{finding})" in conventions, f"docs/conventions.md does not name {finding}"


def _names_in(file: Path) -> Container[str]:
    """What a walk may name in a file: functions, classes and their methods; of a file of rules any of its text."""
    if not file.exists():
        return ()
    if file.suffix != ".py":
        return file.read_text()
    names = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
            names |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return names


def test_the_example_of_a_data_set_is_one() -> None:
    code, entry, *_ = examples("extending")
    known: dict[str, type[Dataset]] = {}
    exec(compile(code, "ring", "exec"), known)
    settings = next(iter(yaml.safe_load(entry).values()))
    ring = known["DATASET"](radius=settings["radius"])  # type: ignore[call-arg]
    arrays = ring.prepare(Sizes(train=50, val=10, test=20, test_large=0))
    assert {name: x.shape for name, x in arrays.items()} == {"train_1": (50, 2), "val_1": (10, 2), "test_1": (20, 2)}
    np.testing.assert_allclose(np.linalg.norm(arrays["train_1"], axis=1), settings["radius"], rtol=1e-6)
    assert ring.draw_target(5, stream(0, "x")).dtype == np.float32


def test_the_example_of_a_metric_is_one() -> None:
    known = {"Evaluation": Evaluation, "Metric": Metric, "np": np}
    exec(compile(examples("extending")[2], "metric", "exec"), known)
    metric = known["METRICS"]["mean_error"]  # type: ignore[index]
    x = np.zeros((4, 2), dtype=np.float32)
    assert metric.compute(Evaluation(x, x, x + 1, None, 1, 0.0, None, None, None)) == np.float32(2**0.5)


def test_the_example_of_an_experiment_is_one() -> None:
    settings = build(Experiment, yaml.safe_load(examples("extending")[3]), Where("docs/extending.md"))
    assert settings.datasets == ("gaussian_ring",) and settings.tables["ring"].kind == "comparison"


def test_the_messages_that_are_explained_exist() -> None:
    code = " ".join(path.read_text() for path in Path("cfm").rglob("*.py"))
    rows = re.findall(r"^\| (`.*?) \|", Path("docs/troubleshooting.md").read_text(), re.MULTILINE)
    said = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    assert len(said) > 15
    for message in set(said) - _BY_OTHERS:
        assert message in code, message


def test_the_links_of_the_manual_lead_to_files() -> None:
    """Pictures as well; those of the README are looked at with its verbs."""
    pages = [*Path("docs").glob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())]
    assert len(links) > 10
    assert not [(page, link) for page, link in links if "://" not in link and not (page.parent / link).exists()]
