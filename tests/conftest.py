"""One thread for every test, as in every job of the pipeline; the project's root as working directory."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _in_root(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    torch.set_num_threads(1)
    monkeypatch.chdir(ROOT)
