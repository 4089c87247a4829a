"""The account of where the time went adds up, and counts what it should."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cfm import config as configuration
from cfm.results import cost


def _record(started: str, cpu: float, **work: float) -> dict[str, object]:
    machine = {"git": {"commit": None}, "packages": {}, "python": "3", "machine": {}, "peak_memory_mb": 1}
    return {"started": started, "finished": started, "cpu_seconds": cpu, "work_seconds": work, **machine}


def test_shares_of_the_cores_time_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs, one of them made before: its training is not counted for this call, its evaluation is."""
    config = configuration.load("smoke", ("toy2d",))
    monkeypatch.setattr(type(config.layout), "root", property(lambda self: tmp_path))
    early, late = "2026-01-01T10:00:00+00:00", "2026-01-01T12:00:00+00:00"
    stages = [
        {"train": _record(late, 30, coupling=15, network=10), "sample": _record(late, 6, ode=4)},
        {"train": _record(early, 99, coupling=99, network=0), "sample": _record(late, 2, ode=1)},
    ]
    for seed, record in zip((42, 43), stages, strict=True):
        folder = config.layout.run("toy2d", "gaussian_8gaussians", "otcfm", seed)
        folder.mkdir(parents=True)
        record |= {"evaluate": _record(late, 6, distance=5), "samples_rk4_sha256": "0"}
        (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    began = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
    spent = cost.cost(config, datetime.fromtimestamp(began, UTC))
    assert spent.jobs == 50 and spent.work == {"coupling": 15, "network": 10, "ode": 5, "distance": 10}
    assert cost.cost(config).jobs == 149
    lines = cost.report(config, began, began + 50, cores=2).splitlines()
    assert lines[0] == "time: 0 min 50 s on 2 cores"
    shares = [float(line.split("%")[0]) for line in lines[1:]]
    assert shares == [15, 10, 5, 10, 10, 50] and sum(shares) == 100
