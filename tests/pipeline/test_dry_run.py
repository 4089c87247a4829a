"""A dry run says what the run that follows does, and changes nothing."""

import re
from pathlib import Path

import pytest

from tests.pipeline.conftest import Project

pytestmark = pytest.mark.pipeline


def _dry(project: Project) -> str:
    done = project.cfm("reproduce", "--budget", "smoke", "--experiments", "toy2d", "--cores", "2", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("nothing was started or written: without DRY (--dry-run) it runs\n")
    return done.stdout


def _tree(project: Project) -> dict[Path, tuple[int, int]]:
    """Every file and folder but Snakemake's own, with its size and when it was last written."""
    found = {path.relative_to(project.folder): path.lstat() for path in project.folder.rglob("*")}
    own = {".snakemake", "__pycache__"}
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in found.items() if not own & {*path.parts}}


def _jobs_run(project: Project) -> int:
    log = (project.folder / "results/smoke/logs/snakemake.log").read_text()
    (total,) = re.findall(r"^(\d+) of \1 steps \(100%\) done$", log, re.MULTILINE)
    return int(total)


def test_before_the_first_run(new_project: Project, finished: Project) -> None:
    before = _tree(new_project)
    said = _dry(new_project)
    assert _tree(new_project) == before and not (new_project.folder / "results").exists()
    assert f"jobs: {_jobs_run(finished)}\n" in said, "as many as in the run of the same project"
    assert "toy2d: Two-dimensional optimal transport (Table 2): seeds 42..43, 18 runs (0 done)" in said
    assert "  toy2d: 2 data, 2 source-target, 5 train, 9 sample, 9 evaluate, 1 collect, 3 table, 3 figure\n" in said
    assert "skipped: toy2d/fm on moons_8gaussians: needs a standard normal source" in said
    assert "estimate: at least" in said and "no kept timing, so only their start-up is counted: train toy2d/" in said


def test_afterwards_and_when_some_of_it_is_lost(project: Project) -> None:
    before = _tree(project)
    said = _dry(project)
    assert _tree(project) == before
    assert "18 runs (18 done)" in said and "jobs: none, everything is there and up to date" in said
    for name in ("tables/table2.csv", "runs.csv"):  # as long as they are there Snakemake misses nothing below them
        (project.results / name).unlink()
    for seed in (42, 43):
        (project.results / f"gaussian_8gaussians/icfm/seed={seed}/metrics.json").unlink()
    before = _tree(project)
    said = _dry(project)
    planned = project.planned()
    assert _tree(project) == before
    assert planned["evaluate_toy2d_42"] == 1 and f"jobs: {sum(planned.values())}\n" in said
    status = project.cfm("status", "--budget", "smoke", "--experiments", "toy2d").stdout
    assert "runs: 16 done, 0 running, 0 failed, 2 sampled, 0 missing; tables: 3 of 3; figures: 3 of 3\n" in status
    assert "  sampled gaussian_8gaussians/icfm, seeds 42, 43: next: evaluate (last log: results/smoke/logs/" in status
    done = project.reproduce()
    assert done.returncode == 0 and _jobs_run(project) == sum(planned.values())
    for words in (said, done.stdout):
        assert re.search(r"^estimate: about \d+ s on 2 cores that do nothing else$", words, re.MULTILINE)
        assert "  from 1 job like runs in this folder (" in words
