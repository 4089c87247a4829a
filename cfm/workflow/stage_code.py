"""Which code a stage runs for a method and a data set, as a digest: an edit of it makes the stage run again."""

from __future__ import annotations

from cfm.config import Config
from cfm.fingerprint import code_digest
from cfm.metrics import FILES
from cfm.stages import STAGES


def stage_digest(stage: str, *modules: str) -> str:
    """Digest of the code that a stage runs, with the given families' or kinds' modules."""
    metrics = [f"cfm.metrics.{file}" for file in FILES] if STAGES[stage].of_metrics else []
    return code_digest(f"cfm.{STAGES[stage].module}", *metrics, *modules)


def data_code(config: Config, dataset: str) -> str:
    """Digest of the code that prepares a data set."""
    return stage_digest("data", f"cfm.datasets.{config.datasets[dataset].entry.family}")


def run_code(config: Config, stage: str, dataset: str, method: str) -> str:
    """Digest of the code of `train`, `sample`, `evaluate` or `objective` for one method."""
    if stage == "evaluate":
        return stage_digest(stage)
    families = [f"cfm.methods.{config.methods[name].entry.family}" for name in lineage(config, method)]
    if stage == "sample":
        families.append(f"cfm.datasets.{config.datasets[dataset].entry.family}")
    return stage_digest(stage, *families)


def lineage(config: Config, method: str) -> list[str]:
    """A method, its teacher, its teacher's teacher ..."""
    names, teacher = [method], config.methods[method].method.teacher
    return names + (lineage(config, teacher) if teacher is not None else [])
