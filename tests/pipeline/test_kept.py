"""Runs that are kept for the repository: their numbers, pictures and provenance, which grow and never mix settings."""

import json
import shutil

import pytest
from pandas.testing import assert_frame_equal

from cfm.artifacts.runs import read_runs
from tests.pipeline.conftest import Project, read_rows

pytestmark = pytest.mark.pipeline


def test_a_run_can_be_kept_with_its_provenance(project: Project) -> None:
    figures = "results/reference/smoke/toy2d/figures"
    readme = project.folder / "README.md"
    readme.write_text(f"![]({figures}/trajectories_gaussian_8gaussians.png) ![]({figures}/evaluations.png)")
    arguments = ["reference", "--budget", "smoke", "--experiments", "toy2d"]
    done = project.cfm(*arguments)
    assert done.returncode == 0, done.stderr
    kept = project.folder / "results/reference/smoke/toy2d"
    assert (kept / "tables/table2.md").read_bytes() == (project.results / "tables/table2.md").read_bytes()
    assert_frame_equal(read_runs(kept / "runs.csv"), read_runs(project.results / "runs.csv"), check_exact=True)
    names = ["evaluations.md", "evaluations.png"]
    names += [f"trajectories_gaussian_8gaussians.{suffix}" for suffix in ("md", "png")]
    assert sorted(path.name for path in (kept / "figures").iterdir()) == names
    for name in names:
        small, whole = ((folder / "figures" / name).read_bytes() for folder in (kept, project.results))
        assert small == whole if name.endswith(".md") else len(small) < len(whole)
    provenance = json.loads((kept / "provenance.json").read_text())
    assert len(provenance["runs"]) == 18 and provenance["facts"]["packages"][0]["torch"]
    assert provenance["settings"]["experiment"]["train"]["steps"] == 30
    assert "claims" in (kept.parent / "claims.md").read_text()
    readme.unlink()
    assert project.cfm(*arguments).returncode == 0
    assert not [*(kept / "figures").iterdir()], "pictures that are shown no more"


def test_what_is_kept_grows_and_never_mixes_settings(project: Project) -> None:
    """A run that is gone here stays in the reference; once its settings have changed it is dropped."""
    arguments = ["reference", "--budget", "smoke", "--experiments", "toy2d"]
    assert project.cfm(*arguments).returncode == 0
    kept = project.folder / "results/reference/smoke/toy2d"
    first = (kept / "runs.csv").read_bytes()
    for method in ("icfm", "otcfm"):
        for path in (project.results / f"gaussian_8gaussians/{method}").rglob("metrics.json"):
            path.unlink()
    assert project.cfm(*arguments).returncode == 0
    assert (kept / "runs.csv").read_bytes() == first
    project.replace(
        "config/methods.yaml",
        "  coupling: independent\n  path: linear\n  sigma: 0.1",
        "  coupling: independent\n  path: linear\n  sigma: 0.2",
    )
    assert project.cfm(*arguments).returncode == 0
    cells = {(r["method"], r["dataset"]) for r in read_rows(kept / "runs.csv")}
    assert ("icfm", "gaussian_8gaussians") not in cells and ("otcfm", "gaussian_8gaussians") in cells
    for path in project.results.rglob("metrics.json"):
        path.unlink()
    table = kept / "tables/table2.md"
    text = table.read_text()
    table.write_text("made by older code")
    assert project.cfm(*arguments).returncode == 0 and table.read_text() == text  # without a run, from what is kept
    shutil.rmtree(kept.parent)
    done = project.cfm(*arguments)
    assert done.returncode == 2 and "run `make reproduce BUDGET=smoke` first" in done.stderr
