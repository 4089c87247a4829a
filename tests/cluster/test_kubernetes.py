"""The profile for Kubernetes, as far as it goes without one: what is sent, and that those commands do the work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pipeline.conftest import ROOT, Project, environment

pytestmark = pytest.mark.pipeline
pytest.importorskip("kubernetes", reason="needs envs/kubernetes.txt")


def test_jobs_are_sent_with_their_resources_and_their_commands_work(small: Project, tmp_path: Path) -> None:
    project = small.copy(tmp_path / "project")
    project.replace("workflow/profiles/kubernetes/config.yaml", "/cfm/project", str(project.folder))
    project.replace("workflow/profiles/kubernetes/config.yaml", "latency-wait: 60", "latency-wait: 5")
    project.replace("workflow/profiles/kubernetes/config.yaml", "checks: 10", "checks: 1")
    (tmp_path / "sent").mkdir()
    command = [sys.executable, "-m", "tests.cluster.kubernetes_stand_in", str(tmp_path / "sent")]
    command += ["--workflow-profile", "workflow/profiles/kubernetes", "--nolock"]
    command += ["--config", "budget=smoke", "experiments=objective"]
    both = {**environment(), "PYTHONPATH": os.pathsep.join([str(project.folder), str(ROOT)])}
    done = subprocess.run(command, cwd=project.folder, env=both, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project.folder / "results/smoke/objective/runs.csv").exists()
    sent = [json.loads(path.read_text()) for path in sorted((tmp_path / "sent").glob("*.json"))]
    containers = [job["spec"]["template"]["spec"]["containers"][0] for job in sent]
    assert len(containers) == 2  # data and objective; the small rules stay here
    profile = yaml.safe_load((ROOT / "workflow/profiles/kubernetes/config.yaml").read_text())
    assert {container["image"] for container in containers} == {profile["container-image"]}
    assert [container["resources"]["limits"]["memory"] for container in containers] == ["2000M", "2000M"]
    assert all({"mountPath": "/cfm", "name": "cfm"} in container["volumeMounts"] for container in containers)
    assert all(container["args"][1].startswith(f"cd {project.folder} && python ") for container in containers)
    assert {container["resources"]["limits"]["ephemeral-storage"] for container in containers} == {"1000M"}


def test_the_image_has_the_lock_and_the_submitter_its_plugin() -> None:
    """The Containerfile copies what exists, and envs/kubernetes.txt pins nothing that the lock pins otherwise."""
    words = [line.split() for line in (ROOT / "envs/Containerfile").read_text().splitlines()]
    copied = [line[1:-1] for line in words if line[:1] == ["COPY"]]
    assert copied == [["requirements.lock"]] and (ROOT / copied[0][0]).exists()
    locked, more = (
        dict(line.split("==") for line in (ROOT / file).read_text().splitlines() if "==" in line)
        for file in ("requirements.lock", "envs/kubernetes.txt")
    )
    assert "snakemake-executor-plugin-kubernetes" in more and not locked.keys() & more.keys()
