"""A project of a test's own: a copy of config/ whose smallest budget has some data sets and methods."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def copy_of_config(
    folder: Path,
    datasets: Sequence[str],
    methods: Sequence[str],
    experiment: str = "toy2d",
    seeds: Sequence[int] = (42, 43),
) -> Path:
    """Make it in `folder`, which is returned."""
    shutil.copytree(ROOT / "config", folder / "config")
    path = folder / "config/budgets/smoke.yaml"
    budget = yaml.safe_load(path.read_text())
    overlay = {"datasets": [*datasets], "methods": [*dict.fromkeys(methods)], "seeds": [*seeds]}
    budget["experiments"].setdefault(experiment, {}).update(overlay)
    path.write_text(yaml.safe_dump(budget))
    return folder
