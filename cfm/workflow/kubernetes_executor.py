"""Snakemake's Kubernetes executor on a volume that all pods mount: nothing is uploaded or copied.

By itself the executor (plugin 0.5.1) takes for granted that no files are shared, and wants a bucket to copy them to and
from; but the verbs write where `cfm/artifacts/layout.py` says, and not to the names of such copies.
"""

from __future__ import annotations

from dataclasses import replace

from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry


def install() -> None:
    """Tell Snakemake that what the profile calls shared is shared."""
    plugin = ExecutorPluginRegistry().plugins["kubernetes"]
    shared = {"implies_no_shared_fs": False, "job_deploy_sources": False, "auto_deploy_default_storage_provider": False}
    plugin.common_settings = replace(plugin.common_settings, **shared)
