"""What runs elsewhere: jobs in Slurm are found and ended, GPUs are taken once, and no answer is not an answer."""

import asyncio
import os
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest
import yaml
from snakemake_executor_plugin_slurm import Executor
from snakemake_interface_common.exceptions import WorkflowError

from cfm.config import load
from cfm.device import taken
from cfm.errors import UserError
from cfm.files import locked
from cfm.training.data_parallel import torchrun
from cfm.workflow import slurm, slurm_executor
from cfm.workflow.progress import Note
from cfm.workflow.slurm_executor import PatientExecutor

STATUS = "workflow/profiles/cluster-generic/status.sh"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a shell script in the place of a command."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]))

    def put(name: str, text: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    return put


def test_only_the_jobs_of_this_budget_of_this_checkout_are_ended(
    tmp_path: Path, command: Callable[[str, str], None]
) -> None:
    root, other = tmp_path / "results/smoke", tmp_path / "other/smoke"
    assert slurm.jobs(root) is None and slurm.cancel_left(root) == 0  # never sent to Slurm: nobody is asked
    name, theirs = slurm.name_of(root), slurm.name_of(other)
    for folder in (root, other):
        slurm.claim(folder)
    assert name != theirs and name.startswith("cfm-smoke-")
    queue = tmp_path / "queue"
    queue.write_text(f"7|RUNNING|{name}_a|rule_x\n8|PENDING|{name}_b|rule_y|z\n9|RUNNING|{theirs}_a|rule_x\n")
    command("squeue", f"cat {queue}")
    command("scancel", f'echo "$@" > {tmp_path}/ended; grep {theirs} {queue} > {queue}.new; mv {queue}.new {queue}')
    assert [(job.number, job.waits) for job in slurm.jobs(root) or []] == [("7", False), ("8", True)]
    assert slurm.cancel_left(root) == 2
    assert (tmp_path / "ended").read_text().split() == ["7", "8"]
    assert slurm.jobs(root) is None and [job.number for job in slurm.jobs(other) or []] == ["9"]


def test_a_slurm_that_does_not_answer_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[[str, str], None]
) -> None:
    slurm.claim(tmp_path)
    command("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(UserError, match=r"Slurm does not answer .*Unable to contact"):
        slurm.cancel_left(tmp_path)
    (tmp_path / "bin/squeue").unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(UserError, match=r"there is no `squeue` here: run this where .*: `rm .*\.slurm`$"):
        slurm.cancel_left(tmp_path)
    (tmp_path / ".slurm").unlink()
    assert slurm.cancel_left(tmp_path) == 0


@pytest.mark.parametrize(
    ("accounts", "age", "expected"),
    [
        ("accounting_storage/none", 300, ["--slurm-status-command", "squeue"]),
        ("(null)", 300, ["--slurm-status-command", "squeue"]),
        ("accounting_storage/slurmdbd", 2, []),
        ("accounting_storage/none", 60, None),
    ],
)
def test_where_nobody_keeps_accounts_the_queue_is_asked(
    command: Callable[[str, str], None], accounts: str, age: int, expected: list[str] | None
) -> None:
    command("scontrol", f"echo 'AccountingStorageType   = {accounts}'; echo 'MinJobAge   = {age} sec'")
    command("sacct", "exit 0")
    if expected is None:
        with pytest.raises(UserError, match="forgets a finished job after 60 s"):
            slurm.options("name")
    else:
        assert slurm.options("name") == ["--slurm-jobname-prefix", "name", *expected]


@pytest.mark.parametrize(
    ("squeue", "sacct", "said"),
    [
        ("echo RUNNING", "exit 1", "running"),
        ("echo COMPLETED", "exit 1", "success"),
        ("echo TIMEOUT", "exit 1", "failed"),
        ("echo 'Unable to contact slurm controller' >&2; exit 1", "echo COMPLETED", "running"),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", "echo COMPLETED", "success"),
        ("exit 0", "echo 'CANCELLED by 0'", "failed"),
        ("exit 0", "echo 'Connection refused' >&2; exit 1", "running"),
        ("exit 0", "echo 'Slurm accounting storage is disabled' >&2; exit 1", "failed"),
        ("exit 0", "exit 0", "failed"),
    ],
)
def test_the_status_script_never_takes_silence_for_an_end(
    command: Callable[[str, str], None], squeue: str, sacct: str, said: str
) -> None:
    command("squeue", squeue)
    command("sacct", sacct)
    done = subprocess.run([STATUS, "7"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, [said])


def _patient(monkeypatch: pytest.MonkeyPatch, states: dict[str, str] | None, status: str = "sacct") -> PatientExecutor:
    """The executor over a plugin that reports `states`, or forgets all where there are none."""

    async def check(self: Executor, active: list[SimpleNamespace]):  # type: ignore[no-untyped-def]
        for job in active if states is not None else []:
            if states[job.external_jobid] == "COMPLETED":
                self.report_job_success(job)
            else:
                yield job

    monkeypatch.setattr(Executor, "check_active_jobs", check)
    monkeypatch.setattr(Executor, "__init__", lambda *_: None)
    monkeypatch.setattr(Executor, "report_job_success", lambda *_: None)
    monkeypatch.setattr(Executor, "report_job_error", lambda self, job, msg: self.failed.append(msg))
    executor = PatientExecutor(None, None)
    executor.logger = SimpleNamespace(warning=lambda _: None)
    executor.run_uuid, executor.failed = "name", []
    executor.get_status_command = lambda: status
    return executor


def _check(executor: PatientExecutor, *numbers: str) -> list[str]:
    jobs = [SimpleNamespace(external_jobid=number) for number in numbers]

    async def kept() -> list[str]:
        return [job.external_jobid async for job in executor.check_active_jobs(jobs)]

    return asyncio.run(kept())


def test_no_job_is_forgotten_while_slurm_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = _patient(monkeypatch, None)
    assert _check(executor, "7", "8") == ["7", "8"]
    monkeypatch.setattr("cfm.workflow.slurm_executor._LIMIT", -1)
    with pytest.raises(WorkflowError, match="Slurm has not answered"):
        _check(executor, "7")


def test_what_has_ended_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = _patient(monkeypatch, {"7": "COMPLETED", "8": "RUNNING"})
    assert _check(executor, "7", "8") == ["8"] and executor.failed == []


def test_a_job_that_slurm_has_lost_fails_instead_of_being_waited_for(
    monkeypatch: pytest.MonkeyPatch, command: Callable[[str, str], None]
) -> None:
    command("squeue", "echo 8")
    executor = _patient(monkeypatch, {"7": "RUNNING", "8": "RUNNING"}, "squeue")
    assert _check(executor, "7", "8") == ["7", "8"]
    assert _check(executor, "7", "8") == ["8"] and "does not know job 7" in executor.failed[0]


def test_only_the_version_that_was_read_is_mended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f'"{slurm_executor._PLUGIN}=={slurm_executor._READ}"' in Path("pyproject.toml").read_text()
    plugin = SimpleNamespace(executor=Executor)
    registry = SimpleNamespace(plugins={"slurm": plugin})
    monkeypatch.setattr(slurm_executor, "ExecutorPluginRegistry", lambda: registry)
    monkeypatch.setattr(slurm_executor, "version", lambda _: "2.8.1")
    slurm_executor.install()
    (line,) = capsys.readouterr().err.splitlines()
    assert plugin.executor is Executor and "2.8.1" in line and "2.8.0" in line
    monkeypatch.undo()
    monkeypatch.setattr(slurm_executor, "ExecutorPluginRegistry", lambda: registry)
    slurm_executor.install()
    assert plugin.executor is PatientExecutor and capsys.readouterr().err == ""


# A job that says which GPUs it holds, until it is answered.
JOB = """
import os, sys
from cfm.device import taken
with taken(int(sys.argv[1])):
    print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    input()
"""


def test_every_gpu_is_taken_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[[str, str], None]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    lines = "\n".join(f"GPU {n}: NVIDIA H100 (UUID: GPU-{name})" for n, name in enumerate("abc"))
    command("nvidia-smi", f"echo '{lines}'")
    started, said = [], []

    def start(count: int) -> IO[str]:
        job = [sys.executable, "-c", JOB, str(count)]
        started.append(subprocess.Popen(job, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1].stdout

    said += [start(2).readline(), start(1).readline()]
    waits = start(1)
    assert not select.select([waits], [], [], 2)[0]
    started[0].communicate("\n")
    said.append(waits.readline())
    for job in started[1:]:
        job.communicate("\n")
    assert said == ["GPU-a,GPU-b\n", "GPU-c\n", "GPU-a\n"] and not any(job.returncode for job in started)


def test_a_process_that_holds_a_gpu_takes_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[[str, str], None]
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    command("nvidia-smi", "echo 'GPU 0: H100 (UUID: GPU-a)'")
    with taken(1), taken(1):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-a"
    with taken(0), locked(tmp_path / "cfm-gpu-GPU-a.lock", wait=False) as free:
        assert free is not None


def test_gpus_that_nothing_tells_apart_are_held_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with taken(1), locked(tmp_path / "cfm-gpu-0-1.lock", wait=False) as other:
        assert other is None and os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    with locked(tmp_path / "cfm-gpu-0-1.lock", wait=False) as free:
        assert free is not None


def test_the_schedulers_gpus_are_used_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[[str, str], None]
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    command("nvidia-smi", "echo 'GPU 0: H100 (UUID: GPU-a)'; echo 'GPU 1: H100 (UUID: GPU-b)'")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with taken(1):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-b"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(UserError, match="gpus: 2 are asked for, this job may use 1"), taken(2):
        pass
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with taken(1):  # a scheduler's job without a GPU
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_a_training_on_several_gpus_is_one_torchrun_with_as_many_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dataclasses import replace

    config = load("paper", ("cifar10", "toy2d"))
    main = replace(config.main, device="cuda", gpus=4)
    config = replace(config, main=main)
    taken = [config.gpus("cifar10", "train"), config.gpus("cifar10", "sample"), config.gpus("toy2d", "train")]
    assert taken == [4, 1, 1]
    assert replace(config, main=replace(main, device="cpu")).gpus("cifar10", "train") == 0
    started: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command: started.append(command) or SimpleNamespace(returncode=3))
    monkeypatch.setattr(sys, "argv", ["cfm", "train", "--budget", "paper"])
    assert torchrun(4) == 3
    assert started[0][started[0].index("--nproc-per-node") + 1 :] == ["4", "-m", "cfm", "train", "--budget", "paper"]


def test_a_note_from_another_machine_counts_while_it_is_fresh() -> None:
    import time

    fresh = Note("train a/b/c seeds 3", 1, 1, 2, "", 0.0, time.time(), "elsewhere")
    stale = Note("train a/b/c seeds 3", os.getpid(), 1, 2, "", 0.0, 0.0, "elsewhere")
    assert fresh.alive and not stale.alive


def test_every_profile_for_a_scheduler_tries_again_and_asks_for_enough_memory() -> None:
    profiles = {
        path.parent.name: yaml.safe_load(path.read_text()) for path in Path("workflow/profiles").glob("*/*.yaml")
    }
    remote = {name: profile for name, profile in profiles.items() if "executor" in profile}
    assert remote.keys() == {"slurm", "cluster-generic", "kubernetes"}
    for profile in remote.values():
        assert profile["retries"] >= 1 and profile["default-resources"]["mem_mb"] >= 500
        assert profile["local-cores"] <= 2 and profile["jobs"] <= 100
    assert {name for name, profile in profiles.items() if slurm.used_by(profile)} == {"slurm", "cluster-generic"}
