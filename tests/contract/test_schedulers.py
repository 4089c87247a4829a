"""A profile whose scheduler is not here is refused in one line, before anything is written."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cfm import config as configuration
from cfm.cli import commands
from cfm.cli.reproduce import run
from cfm.errors import UserError
from cfm.workflow import schedulers, slurm

GENERIC = {"executor": "cluster-generic"}


def profile(name: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(Path(f"workflow/profiles/{name}/config.yaml").read_text())
    return found


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Leaves those programs alone in PATH that the test names, each doing nothing."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def put(*names: str) -> None:
        for name in names:
            (tmp_path / "bin" / name).write_text("#!/bin/sh\nexit 0\n")
            (tmp_path / "bin" / name).chmod(0o755)

    return put


@pytest.mark.parametrize("name", ["slurm", "cluster-generic"])
def test_without_slurm_nothing_is_written_and_a_plain_run_is_not_blocked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: Callable[..., None]
) -> None:
    config = configuration.load("smoke", ("taxonomy",))
    monkeypatch.setattr(type(config.layout), "root", property(lambda self: tmp_path / "results/smoke"))
    monkeypatch.setattr(commands, "_fetched", lambda *_: pytest.fail("downloads come after"))
    with pytest.raises(UserError, match=rf"^PROFILE={name}: there is no .*`sbatch`.* here: run this on a machine that"):
        commands.reproduce("smoke", "taxonomy", "1", name, dry_run=False)
    with pytest.raises(UserError, match="leave PROFILE out to run on this machine"):
        run(config, [], "1", name)
    assert not (tmp_path / "results").exists() and slurm.cancel_left(config.layout.root) == 0


def test_what_is_missing_is_named_and_nothing_else(programs: Callable[..., None]) -> None:
    programs("sbatch", "squeue", "scontrol")
    assert "there is no `scancel` here" in (schedulers.lacking(profile("slurm")) or "")
    programs("scancel")
    assert schedulers.lacking(profile("slurm")) is None
    programs("mkdir")
    assert schedulers.lacking(profile("cluster-generic")) is None, "test and echo are words of the shell"
    assert schedulers.lacking(profile("local")) is None and schedulers.lacking(profile("gpu")) is None


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"cluster-generic-submit-cmd": "qsub -N 'a;b' -l nodes=1 {jobscript}"}, "`qsub`"),
        (
            {"cluster-generic-submit-cmd": "cd x && A=1 bsub -q $(queue_of {rule}) | tail -n 1"},
            "`bsub`, `queue_of`, `tail`",
        ),
        ({"cluster-generic-submit-cmd": "known", "cluster-generic-cancel-cmd": "qdel"}, "`qdel`"),
        ({"cluster-generic-status-cmd": "workflow/profiles/nowhere.sh"}, "`workflow/profiles/nowhere.sh`"),
        ({"cluster-generic-submit-cmd": "sbatch {jobscript}"}, "`sbatch`, `squeue`, `scancel`"),
        ({"cluster-generic-submit-cmd": "known 'no end"}, ""),  # for the shell to say
        ({"cluster-generic-submit-cmd": "if known; then known; fi"}, ""),
        ({"cluster-generic-submit-cmd": "$SUBMIT {jobscript}", "cluster-generic-cancel-cmd": "${{CANCEL}}"}, ""),
    ],
)
def test_the_commands_of_any_scheduler_are_looked_for(
    programs: Callable[..., None], settings: dict[str, str], missing: str
) -> None:
    programs("known")
    said = schedulers.lacking(GENERIC | settings)
    expected = f"there is no {missing} here: run this on a machine that submits jobs (a cluster's login node)"
    assert said == (expected if missing else None)


def test_an_executor_that_is_not_installed_says_what_to_install() -> None:
    assert "`.venv/bin/pip install snakemake-executor-plugin-moon-base`" in (
        schedulers.lacking({"executor": "moon-base"}) or ""
    )


def test_kubernetes_needs_its_plugin_and_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedulers, "find_spec", lambda name: None)
    assert "-r envs/kubernetes.txt" in (schedulers.lacking(profile("kubernetes")) or "")
    monkeypatch.setattr(schedulers, "find_spec", lambda name: name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(schedulers, "_IN_A_POD", tmp_path / "token")
    for named in ("", str(tmp_path / "none"), str(tmp_path)):
        monkeypatch.setenv("KUBECONFIG", named)
        assert "there is no kubeconfig" in (schedulers.lacking(profile("kubernetes")) or "")
    (tmp_path / "config").write_text("")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(["", str(tmp_path / "none"), str(tmp_path / "config")]))
    assert schedulers.lacking(profile("kubernetes")) is None
    monkeypatch.delenv("KUBECONFIG")
    (tmp_path / "token").write_text("")
    assert schedulers.lacking(profile("kubernetes")) is None


@pytest.mark.parametrize("squeue", [None, "echo 'Unable to contact slurm controller' >&2; exit 1"])
def test_a_mark_of_an_earlier_run_says_how_to_go_on_where_slurm_has_gone(
    tmp_path: Path, programs: Callable[..., None], squeue: str | None
) -> None:
    """The line ends with a command; after it a plain run goes on."""
    root = tmp_path / "results/smoke"
    slurm.claim(root)
    if squeue is not None:
        programs("squeue")
        (tmp_path / "bin/squeue").write_text(f"#!/bin/sh\n{squeue}\n")
    with pytest.raises(UserError) as refused:
        slurm.cancel_left(root)
    line = str(refused.value)
    assert line.startswith(f"{root}/.slurm: jobs of an earlier run") and "\n" not in line
    slurm.release_if_over(root)
    assert (root / ".slurm").exists(), "nobody knows whether jobs are left"
    command = line.split("`")[-2]
    assert subprocess.run(command.split(), env={"PATH": "/bin:/usr/bin"}).returncode == 0
    assert slurm.cancel_left(root) == 0


def test_a_failed_run_leaves_no_mark_when_slurm_says_that_no_job_is_left(
    tmp_path: Path, programs: Callable[..., None]
) -> None:
    slurm.claim(tmp_path)
    programs("squeue")
    (tmp_path / "bin/squeue").write_text(f"#!/bin/sh\necho '7|RUNNING|{slurm.name_of(tmp_path)}_a|rule_x'\n")
    slurm.release_if_over(tmp_path)
    assert (tmp_path / ".slurm").exists()
    programs("squeue")
    slurm.release_if_over(tmp_path)
    assert not (tmp_path / ".slurm").exists()


def test_the_command_line_refuses_in_one_line(tmp_path: Path) -> None:
    """As a user meets it: a copy of the project, no Slurm, and then no trace."""
    for name in ("cfm", "config", "workflow", "envs"):
        shutil.copytree(name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "cfm", "reproduce", "--budget", "smoke", "--experiments", "taxonomy"]
    done = subprocess.run(
        [*command, "--profile", "slurm"], cwd=tmp_path, capture_output=True, text=True, env={"PATH": "/nowhere"}
    )
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: PROFILE=slurm: there is no `sbatch`, `squeue`, `scancel`, `scontrol` here")
    assert not (tmp_path / "results").exists() and not (tmp_path / ".snakemake").exists()
