"""Every test: one thread, as every job of the pipeline; the same draws at every run; the project's root as folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from cfm.config import entries

if TYPE_CHECKING:
    from cfm.config import Config

ROOT = Path(__file__).parent.parent
os.environ["OMP_NUM_THREADS"] = "1"
if os.environ.get("CFM_DATA"):
    os.environ["CFM_DATA"] = str(Path(os.environ["CFM_DATA"]).absolute())  # the same from every folder
entries.MINE = Path("config/mine-of-tests")  # what somebody has in config/mine is not what is tested
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")


@pytest.fixture(autouse=True)
def _same_start(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A small folder of results with its report."""
    from cfm.results.report.page import write
    from tests.small_results import small_results

    config = small_results(tmp_path_factory.mktemp("results"))
    write(config)
    return config
