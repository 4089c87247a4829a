"""Snakemake with a stand-in for the Kubernetes API, which runs the command of each job here and keeps what it was sent.

python -m tests.cluster.kubernetes_stand_in FOLDER ARGUMENT...
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kubernetes

from cfm.workflow.snakemake_cli import main


class StandIn:
    """The few calls that the executor makes."""

    folder: Path
    codes: dict[str, int] = {}

    def create_namespaced_job(self, namespace: str, body: Any) -> Any:
        """Run the command to its end; what a pod would be told is in a file."""
        told = kubernetes.client.ApiClient().sanitize_for_serialization(body)
        (self.folder / f"{len(self.codes)}.json").write_text(json.dumps(told))
        (container,) = told["spec"]["template"]["spec"]["containers"]
        done = subprocess.run([*container["command"], *container["args"]], cwd=self.folder)  # not in the project
        self.codes[str(body.metadata.name)] = done.returncode
        return body

    def read_namespaced_job_status(self, name: str, namespace: str) -> Any:
        """How it ended."""
        failed = int(self.codes[name] != 0)
        return SimpleNamespace(status=SimpleNamespace(failed=failed, succeeded=1 - failed))

    def list_namespaced_pod(self, **_: Any) -> Any:
        """No pod is left."""
        return SimpleNamespace(items=[])

    def _nothing(self, *_: Any, **__: Any) -> None:
        pass

    create_namespaced_secret = delete_namespaced_secret = delete_namespaced_job = _nothing


if __name__ == "__main__":
    StandIn.folder = Path(sys.argv[1])
    kubernetes.config.load_kube_config = lambda: None
    kubernetes.client.CoreV1Api = kubernetes.client.BatchV1Api = StandIn
    sys.exit(main(sys.argv[2:]))
