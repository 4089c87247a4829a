"""The manual: its map is that of the code, its examples work, and the messages it explains exist."""

import importlib.util
import re
import textwrap
from pathlib import Path

import numpy as np
import yaml

from cfm.config.strict import Where, build
from cfm.datasets.base import Dataset
from cfm.metrics.base import Evaluation, Metric
from cfm.rng import stream
from cfm.settings import Experiment, Sizes

_BY_OTHERS = {"No space left on device"}  # said by the operating system


def _examples(page: str) -> list[str]:
    """The indented blocks of a page of the manual."""
    text = Path(f"docs/{page}.md").read_text()
    return [textwrap.dedent(block) for block in re.findall(r"(?<=\n\n)((?:    .*\n|\n(?=\n?    ))+)", text)]


def test_the_map_is_that_of_the_code() -> None:
    spec = importlib.util.spec_from_file_location("map", "docs/map.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert Path("docs/architecture.md").read_text() == module.page(), "run: python docs/map.py"


def test_the_example_of_a_data_set_is_one() -> None:
    code, entry, *_ = _examples("extending")
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
    exec(compile(_examples("extending")[2], "metric", "exec"), known)
    metric = known["METRICS"]["mean_error"]  # type: ignore[index]
    x = np.zeros((4, 2), dtype=np.float32)
    assert metric.compute(Evaluation(x, x, x + 1, None, 1, 0.0, None, None, None)) == np.float32(2**0.5)


def test_the_example_of_an_experiment_is_one() -> None:
    settings = build(Experiment, yaml.safe_load(_examples("extending")[3]), Where("docs/extending.md"))
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
