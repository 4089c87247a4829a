"""Your pictures with attributes in the workflow: one entry, a data set per attribute, one VAE for all of them."""

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
  attribute: [Bright, Wide]
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
    only: [identity, oracle, icfm_sigma0_1]
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
    assert {dataset for dataset, _, _ in cells} == {"mine", "mine_bright", "mine_wide"}
    for dataset in ("mine_bright", "mine_wide"):
        still, fresh = (float(cells[dataset, method, "mmd_rbf"]["mean"]) for method in ("identity", "oracle"))
        assert fresh < still  # the groups differ, and the test set is of the second
        assert float(cells[dataset, "identity", "relative_change"]["mean"]) == 0
        for name in ("translations", "on_the_way"):
            for suffix in ("png", "pdf", "md"):
                assert (results / f"figures/{name}_{dataset}.{suffix}").stat().st_size > 100
    kept = [*(faces.folder / "data/latents").glob("*.npz")]
    logs = [(results.parent / f"logs/translation/mine_{name}/data.log").read_text() for name in ("bright", "wide")]
    assert len(kept) == 1 and sorted(log.count("autoencoder: epoch") for log in logs) == [0, 2]
    assert "nothing to do" in _reproduce(faces)
