"""The command around the workflow: what it refuses, what it shows, and that the README speaks of what exists."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from cfm import config as configuration
from cfm.cli.reproduce import _only_one, run
from cfm.errors import UserError
from cfm.workflow.launch import listen
from cfm.workflow.overview import Overview
from cfm.workflow.progress import Note
from cfm.workflow.status import run_states


def test_a_wrong_profile_or_core_count_is_refused_before_anything_starts(tmp_path: Path) -> None:
    config = configuration.load("smoke")
    with pytest.raises(UserError, match="PROFILE: unknown profile 'locl'; did you mean 'local'"):
        run(config, [], "2", "locl")
    for cores in ("0", "two", "2; rm -rf", ""):
        with pytest.raises(UserError, match="CORES: a number or 'all'"):
            run(config, [], cores, "local")


def test_the_lock_admits_one_and_is_free_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "results/.lock"
    with _only_one(path), pytest.raises(UserError, match="another `make reproduce`"), _only_one(path):
        pass
    with _only_one(path):
        pass


def test_the_overview_counts_jobs_and_passes_on_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overview, log = Overview(tmp_path), tmp_path / "x.log"
    log.write_text("\n".join(f"line {k}" for k in range(20)))
    failure = {
        "rule": "train_toy2d_42",
        "facts": {"message": "job 7 is lost", "log": str(log)},
        "logs": [str(log), str(tmp_path / "none.log")],
        "command": f"python -m cfm train --method icfm > {log} 2>&1",
    }
    overview.see({"done": 0, "total": 48})
    assert overview.lines(overview.began) == ["[  0:00] 0/48 jobs"]
    overview.see({"done": 12, "total": 48})
    assert overview.lines(overview.began + 75) == ["[  1:15] 12/48 jobs"] and not overview.complained
    overview.see({"ended": 7, "failure": failure})
    other = {**failure, "rule": "other", "facts": {"log": ""}, "logs": [], "command": "make"}
    overview.see({"ended": 8, "failure": other})
    overview.see({"error": "WorkflowError:\nSlurm is away\n"})
    assert overview.complained and capsys.readouterr().out.splitlines() == [
        "Error in rule train_toy2d_42:",
        "    message: job 7 is lost",
        f"    log: {log}",
        "    by hand: python -m cfm train --method icfm",
        *(f"    | line {k}" for k in range(5, 20)),
        "Error in rule other:",
        "    shell: make",
        "WorkflowError:",
        "Slurm is away",
    ]


def test_the_overview_says_what_goes_on_before_the_first_job_and_which_jobs_run(tmp_path: Path) -> None:
    overview = Overview(tmp_path)
    assert overview.lines(overview.began + 5) == ["[  0:05] reading the configuration and the rules"]
    overview.see({"phase": "planning"})
    assert overview.lines(overview.began + 20) == ["[  0:20] planning: which jobs are to do?"]
    overview.see({"done": 0, "total": 9})
    for number, text in ((3, "train toy2d/moons/icfm, seeds 1 2 10"), (4, "data toy2d/moons"), (5, "")):
        overview.see({"begun": number, "job": {"message": text}})
    first, *others = overview.lines(overview.began + 40)
    assert first == "[  0:40] 0/9 jobs, 3 at work"
    assert others == [f"         {t}: since 40 s" for t in ("train toy2d/moons/icfm, seeds 1 2 10", "data toy2d/moons")]
    note = Note("train toy2d/moons/icfm seeds 1-10", os.getpid(), 2, 10, "validation loss 1", 0.0, 0.0)
    (tmp_path / "job.json").write_text(json.dumps(asdict(note)))
    overview.see({"ended": 4})
    assert overview.lines(overview.began + 41) == [
        "[  0:41] 0/9 jobs, 2 at work",
        "         train toy2d/moons/icfm seeds 1-10: 2/10, validation loss 1",  # once, in the words that say more
    ]
    for number in range(100, 140):
        overview.see({"begun": number, "job": {"message": f"train toy2d/moons/m{number}, seeds 1"}})
    assert len(overview.lines(overview.began + 50)) == 10


def test_events_end_with_the_pipe_and_half_an_event_is_left_out() -> None:
    read, write = os.pipe()
    os.write(write, b'{"done": 3, "total": 7}\n{"done": 4, "to')  # killed in the middle
    os.close(write)
    seen: list[object] = []
    listen(read, seen.append)
    assert seen == [{"done": 3, "total": 7}]


def test_the_overview_says_what_is_left_of_a_job_from_its_own_rate(tmp_path: Path) -> None:
    overview = Overview(tmp_path)
    overview.began = 1000.0
    overview.see({"done": 3, "total": 7})

    def at(step: int, updated: float) -> list[str]:
        note = Note("train toy2d/moons/icfm seeds 1-2", os.getpid(), step, 1000, "validation loss 0.5", 900.0, updated)
        (tmp_path / "job.json").write_text(json.dumps(asdict(note)))
        return overview.lines(1075.0)

    begun = ["[  1:15] 3/7 jobs", "         train toy2d/moons/icfm seeds 1-2: 400/1000, validation loss 0.5"]
    assert at(400, 1000.0) == begun, "it went on from step 400: no rate yet"
    assert at(500, 1020.0)[1].endswith(": 500/1000, validation loss 0.5, 2 min left")
    assert at(900, 1100.0)[1].endswith("validation loss 0.5, 20 s left")


def test_states_of_a_budget_that_never_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration.load("smoke")
    monkeypatch.chdir(tmp_path)
    states = run_states(config)
    assert len(states) == sum(len(config.pairs(n)) * len(e.seeds) for n, e in config.experiments.items()) > 30
    assert {state.state for state in states} == {"missing"}


def test_profiles_are_yaml_with_the_flags_that_reruns_rely_on() -> None:
    for path in Path("workflow/profiles").glob("*/config.yaml"):
        profile = yaml.safe_load(path.read_text())
        assert profile["rerun-incomplete"] is True and profile["keep-going"] is True
    assert yaml.safe_load(Path("workflow/profiles/gpu/config.yaml").read_text())["resources"] == ["gpu=1"]


def _make(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A make of its own, which these tests may themselves be run by."""
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *words], cwd=folder, env=alone, capture_output=True, text=True)


def test_make_without_a_target_is_help_that_needs_nothing(tmp_path: Path) -> None:
    """In a folder with nothing but the Makefile; and it has a line for each target and each variable that users set."""
    shutil.copy("Makefile", tmp_path)
    done = [_make(*target, folder=tmp_path) for target in ([], ["help"])]
    assert {run.stdout for run in done} == {done[0].stdout} and not any(run.returncode or run.stderr for run in done)
    makefile, said = (tmp_path / "Makefile").read_text(), done[0].stdout
    for target in {*re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()} - {"variables"}:
        assert f"make {target} " in said, target
    for variable in re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE):
        assert f"{variable}=" in said, variable
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]
    assert max(map(len, said.splitlines())) <= 120


def test_progress_is_said_until_the_end_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cfm.workflow.overview._FIRST_SECONDS", 0.0)
    monkeypatch.setattr("cfm.workflow.overview._EVERY_SECONDS", 0.01)
    overview = Overview(tmp_path)
    repeating = threading.Thread(target=overview.repeat, daemon=True)
    repeating.start()
    time.sleep(0.1)
    overview.ended.set()
    repeating.join(10)
    assert not repeating.is_alive() and "reading the configuration" in capsys.readouterr().out


@pytest.mark.parametrize(("dry", "is_dry"), [("1", True), ("yes", True), ("0", False), ("", False), ("no", False)])
def test_make_hands_on_that_it_is_dry(dry: str, is_dry: bool) -> None:
    plan = _make("-n", "reproduce", f"DRY={dry}").stdout
    assert plan.splitlines()[-1].endswith(" --dry-run") is is_dry and " -m cfm reproduce " in plan


def test_the_help_has_each_verb_once_in_a_group() -> None:
    said = subprocess.run([sys.executable, "-m", "cfm", "--help"], capture_output=True, text=True).stdout
    verbs = set(re.findall(r'verb\("([a-z-]+)"', Path("cfm/__main__.py").read_text()))
    listed = re.findall(r"^  ([a-z-]+)  +\w", said, re.MULTILINE)
    assert verbs <= set(listed) and len(listed) == len(set(listed)) and "reproduce" in listed
    assert "Others:" not in said, "a verb is in no group of cfm/cli/help.py"


def test_the_readme_names_targets_files_and_verbs_that_exist() -> None:
    text = Path("README.md").read_text()
    targets = set(re.findall(r"^([a-z]+):", Path("Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z]+)", text)) <= targets
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert link.startswith("https://") or Path(link).exists(), link
    verbs = Path("cfm/__main__.py").read_text()
    for verb in re.findall(r"-m cfm ([a-z-]+)", text):
        assert f'"{verb}"' in verbs
    entry = re.search(r"( +my_variant:\n(?: +.*\n)+)", text)
    assert entry and set(next(iter(yaml.safe_load(entry[1]).values()))) <= {
        "label", "family", "coupling", "path", "sigma", "experiments",
    }  # fmt: skip


def test_documents_link_to_files_that_exist() -> None:
    for document in Path("docs").glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            assert link.startswith("https://") or (document.parent / link).exists(), f"{document}: {link}"


def test_make_and_the_lock_agree_on_what_is_installed() -> None:
    """Every dependency of pyproject.toml is pinned in the lock, and torch is pinned in the same file."""
    import tomllib

    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    pinned = {
        line.split("==")[0].lower() for line in Path("requirements.lock").read_text().splitlines() if "==" in line
    }
    names = {re.split(r"[<>=]", requirement)[0].lower() for requirement in wanted}
    assert names <= pinned | {name.replace("-", "_") for name in pinned} | {name.replace("_", "-") for name in pinned}
    plan = subprocess.run(["make", "-n", "-W", "requirements.lock", "setup"], capture_output=True, text=True).stdout
    assert plan.count("-m pip install") == 1 and "--requirement requirements.lock" in plan
