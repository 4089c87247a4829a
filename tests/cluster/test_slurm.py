"""The workflow through a real Slurm, with what goes wrong on a cluster, to the same bits as on one machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster import local_slurm
from tests.cluster.conftest import Running, jobs, until
from tests.cluster.local_slurm import LocalSlurm
from tests.pipeline.conftest import Project, read_rows

pytestmark = pytest.mark.pipeline

# A verb that first says where it is and waits as long as a file is there: the test decides when it goes on.
WAIT = """\
    Path("{name}-" + __import__("os").environ["SLURM_JOB_ID"]).touch()
    while Path("{name}").exists():
        __import__("time").sleep(0.1)
"""


@dataclass
class Story:
    """What was seen on the way."""

    project: Project
    local: Project
    given_up: str = ""
    status: dict[str, str] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    log: str = ""
    printed: str = ""
    code: int = -1


def _state(number: str) -> str:
    return local_slurm.output("squeue", "--noheader", "--states=all", f"--jobs={number}", "--format=%T")


@pytest.fixture(scope="module")
def story(slurm: LocalSlurm, small: Project, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """One budget: Slurm is gone, a job cancelled, the workflow killed, Slurm away for a while, a job timed out."""
    folder = tmp_path_factory.mktemp("story")
    seen = Story(small.copy(folder / "slurm"), small.copy(folder / "local"))
    undisturbed = Running(seen.local, "local")
    project = seen.project
    for verb, name in (("train", "hold"), ("objective", "stuck")):
        (project.folder / name).touch()
        first = f"    from cfm.stages.{verb} import {'train as run' if verb == 'train' else 'measure'}\n"
        project.replace("cfm/cli/cells.py", first, WAIT.format(name=name) + first)
    project.replace("workflow/rules/resources.smk", "first = MINUTES", 'first = 1 if stage == "objective" else MINUTES')

    project.replace("cfm/workflow/slurm_executor.py", "_LIMIT = 1800", "_LIMIT = 5")
    first = Running(project, "slurm")
    until(lambda: list(project.folder.glob("hold-*")), "a training")
    slurm.kill_controller()
    seen.given_up = first.end(300)
    seen.status["away"] = project.cfm("status", "--budget", "smoke", "--experiments", "toy2d").stdout
    slurm.start_controller()
    project.replace("cfm/workflow/slurm_executor.py", "_LIMIT = 5", "_LIMIT = 1800")
    seen.orphans = jobs("RUNNING", "train")  # these are held; others may end well before anyone looks

    second = Running(project, "slurm")
    until(lambda: set(jobs("RUNNING", "train")) - set(seen.orphans), "another training")
    seen.status["training"] = project.cfm("status", "--budget", "smoke", "--experiments", "toy2d").stdout
    seen.cancelled = jobs("RUNNING", "train")
    local_slurm.output("scancel", *seen.cancelled)
    until(lambda: set(jobs("RUNNING", "train")) - set(seen.cancelled), "the cancelled training again")
    second.kill()
    seen.orphans += jobs("RUNNING", "train")
    assert len(set(seen.orphans)) >= 2

    third = Running(project, "slurm")
    until(lambda: set(jobs("RUNNING", "train")) - set(seen.orphans), "the training after the kill")
    seen.states = {number: _state(number) for number in seen.orphans}
    earlier = set(seen.orphans + seen.cancelled)
    until(lambda: {path.name[5:] for path in project.folder.glob("hold-*")} - earlier, "its first line")
    slurm.kill_controller()
    until(lambda: "Slurm has not answered" in third.log.read_text(), "a question while Slurm is away")
    (project.folder / "hold").unlink()
    until(lambda: list(project.results.rglob("model.safetensors")), "the end of a training while Slurm is away")
    slurm.start_controller()
    until(lambda: jobs("TIMEOUT", "objective"), "a job that runs out of time")
    (project.folder / "stuck").unlink()
    seen.printed, seen.code = third.end(900), third.process.returncode
    seen.limits = local_slurm.output("squeue", "--noheader", "--states=all", "--format=%k|%l").splitlines()
    seen.log = third.log.read_text()
    seen.status["end"] = project.cfm("status", "--budget", "smoke", "--experiments", "toy2d").stdout
    assert undisturbed.end(600) and undisturbed.process.returncode == 0
    return seen


def test_it_ends_well_after_all(story: Story) -> None:
    assert story.code == 0, story.printed + story.log
    assert "tables:" in story.printed and not jobs("RUNNING")


def test_the_numbers_are_those_of_one_machine(story: Story, numbers: Callable[[Project], dict[str, bytes]]) -> None:
    """Bit for bit: networks, samples, metrics; and the tables, but for seconds."""
    assert numbers(story.project) == numbers(story.local)
    compared = 0
    for path in sorted((story.local.folder / "results/smoke").rglob("*.csv")):
        if path.name == "train.csv":
            continue
        theirs = story.project.folder / path.relative_to(story.local.folder)
        rows, other = (
            [row for row in read_rows(file) if "seconds" not in row.get("metric", "")] for file in (path, theirs)
        )
        assert rows == other, path
        compared += len(rows)
    assert compared > 50


def test_a_long_outage_ends_the_workflow_with_its_reason(story: Story) -> None:
    assert "Slurm has not answered for" in story.given_up and "not finished" in story.given_up


def test_status_is_true_while_jobs_are_in_slurm(story: Story) -> None:
    """While icfm trains it is not missing, whether the control beside it is being sampled or waits."""
    running = story.status["training"]
    assert ("2 running" in running or "4 running" in running) and "jobs running" in running, running
    assert "missing gaussian_8gaussians/icfm" not in running, running
    assert "what runs in Slurm is not known" in story.status["away"]
    assert "4 done, 0 running, 0 failed, 0 missing" in story.status["end"]


def test_jobs_of_a_killed_workflow_are_ended_before_the_next_begins(story: Story) -> None:
    assert set(story.states.values()) == {"CANCELLED"}, story.states
    assert "Slurm jobs that a killed run had left" in story.printed


def test_a_job_out_of_time_is_tried_again_with_more(story: Story) -> None:
    limits = [line.split("|")[1] for line in story.limits if line.startswith("rule_objective")]
    assert "1:00" in limits and "2:00" in limits
    assert "TIMEOUT" in story.log


def test_small_rules_stay_on_the_login_node(story: Story) -> None:
    rules = {line.split("_")[1] for line in story.limits}
    assert rules == {"data", "train", "sample", "evaluate", "objective", "source"}  # of source_target


GPU_RULES = """
rule all:
    input: "one.txt", "two.txt"
rule one:
    output: "one.txt"
    resources: gpu=1
    shell: "echo $CUDA_VISIBLE_DEVICES > {output}"
rule two:
    output: "two.txt"
    resources: gpu=2
    shell: "echo $CUDA_VISIBLE_DEVICES > {output}"
"""


@pytest.mark.parametrize("profile", ["slurm", "cluster-generic"])
def test_the_gpus_of_the_scheduler_arrive(slurm: LocalSlurm, small: Project, tmp_path: Path, profile: str) -> None:
    project = small.copy(tmp_path / "project")
    (project.folder / "Snakefile").write_text(GPU_RULES)
    options = ["--slurm-status-command", "squeue"] if profile == "slurm" else ["--latency-wait", "5"]
    command = ["-m", "cfm.workflow.snakemake_cli", "--workflow-profile", f"workflow/profiles/{profile}", *options]
    done = project.popen(*command, output=None)
    assert done.wait(600) == 0
    assert (project.folder / "one.txt").read_text().strip() in ("0", "1")
    assert (project.folder / "two.txt").read_text().strip() == "0,1"
