"""Your pictures with attributes in the workflow: one entry, from files to table and figures."""

import csv
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.pipeline.conftest import Project

pytestmark = pytest.mark.pipeline

ENTRY = """
mine:
  label: mine
  family: attributes
  file: faces.zip
  table: faces.txt
  attribute: [Bright]
  side: 8
  latent: 4
  width: 2
  beta: 0.02
  epochs: 2
  batch_size: 8
  learning_rate: 0.001
"""
OVERLAY = """
  translation:
    methods: [identity, icfm_sigma0_1]
    datasets: [celeba, mine]
    seeds: [42]
    seeds_per_job: 1
    train: {width: 8, batch_size: 16, steps: 10, validate_every: 5}
"""
N = 200


@pytest.fixture
def faces(project: Project) -> Project:
    """The project with pictures that are bright or not, and have a light stripe that is wide or not."""
    folder = project.folder
    for path, text in (("datasets.yaml", ENTRY), ("budgets/smoke.yaml", OVERLAY)):
        file = folder / "config" / path
        file.write_text(file.read_text().rstrip() + "\n" + text.lstrip("\n"))
    (folder / "data").mkdir()
    bright, wide = np.random.default_rng(0).random((2, N)) < 0.4
    rows = [f"{k}.jpg {1 if bright[k] else -1} {1 if wide[k] else -1}" for k in range(N)]
    (folder / "data/faces.txt").write_text("\n".join([str(N), "Bright Wide", *rows]) + "\n")
    with zipfile.ZipFile(folder / "data/faces.zip", "w") as archive:
        for k in range(N):
            pixels = np.full((8, 8), 120 if bright[k] else 40, np.uint8)
            pixels[:, : 4 if wide[k] else 1] += 60
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "JPEG")
            archive.writestr(f"{k}.jpg", file.getvalue())
    return project


def _reproduce(project: Project) -> str:
    done = project.cfm("reproduce", "--budget", "smoke", "--experiments", "translation", "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_from_pictures_to_table_and_figures(faces: Project) -> None:
    said = _reproduce(faces)
    skipped = [line for line in said.splitlines() if line.startswith("skipped")]
    assert (
        skipped == [line for line in skipped if "translation/celeba: img_align_celeba.zip is not there" in line] != []
    )
    results = faces.folder / "results/smoke/translation"
    with open(results / "tables/table6.csv", newline="") as file:
        cells = {(row["dataset"], row["method"], row["metric"]): row for row in csv.DictReader(file)}
    assert {dataset for dataset, _, _ in cells} == {"mine", "mine_bright"}
    still, moved = (cells["mine_bright", method, "relative_change"] for method in ("identity", "icfm_sigma0_1"))
    assert float(still["mean"]) == 0 < float(moved["mean"])
    assert float(cells["mine_bright", "identity", "attribute_share"]["mean"]) < 0.2  # bright ones are told apart
    for name in ("translations", "on_the_way"):
        for suffix in ("png", "pdf", "md"):
            assert (results / f"figures/{name}_mine_bright.{suffix}").stat().st_size > 100
    log = (results.parent / "logs/translation/mine_bright/data.log").read_text()
    assert log.count("autoencoder: epoch") == 2 and len([*(faces.folder / "data/latents").glob("*.npz")]) == 1
    assert "nothing to do" in _reproduce(faces)
