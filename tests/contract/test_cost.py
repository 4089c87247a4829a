"""The account of where the time went adds up, whatever was measured, and counts what it should."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cfm import config as configuration
from cfm.config import Config
from cfm.errors import UserError
from cfm.results import cost

EARLY, LATE = "2026-01-01T10:00:00+00:00", "2026-01-01T12:00:00+00:00"
BEGAN = datetime(2026, 1, 1, 11, 59, 57, 900_000, tzinfo=UTC).timestamp()


def _record(started: str, cpu: float, **work: float) -> dict[str, object]:
    machine = {"git": {"commit": None}, "packages": {}, "python": "3", "machine": {}, "peak_memory_mb": 1}
    return {"started": started, "finished": started, "cpu_seconds": cpu, "work_seconds": work, **machine}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    found = configuration.load("smoke", ("toy2d",))
    monkeypatch.setattr(type(found.layout), "root", property(lambda self: tmp_path))
    return found


def _put(config: Config, seed: int, **stages: dict[str, object]) -> None:
    folder = config.layout.run("toy2d", "gaussian_8gaussians", "otcfm", seed)
    folder.mkdir(parents=True)
    record = {**stages, "samples_rk4_sha256": "0"}
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")


def _shares(report: str) -> list[float]:
    return [float(line.split("%")[0]) for line in report.splitlines()[1:]]


def test_shares_of_the_cores_time_add_up(config: Config) -> None:
    """Two runs, one of them made before: its training is not counted for this call, its evaluation is."""
    evaluation = _record(LATE, 6, distance=5)
    _put(
        config,
        42,
        train=_record(LATE, 30, coupling=15, network=10),
        sample=_record(LATE, 6, ode=4),
        evaluate=evaluation,
    )
    _put(config, 43, train=_record(EARLY, 99, coupling=99), sample=_record(LATE, 2, ode=1), evaluate=evaluation)
    spent = cost.cost(config, datetime.fromisoformat(LATE))
    assert spent.jobs == 50 and spent.work == {"coupling": 15, "network": 10, "ode": 5, "distance": 10}
    assert cost.cost(config).jobs == 149
    report = cost.report(config, BEGAN, 50, cores=2)
    assert report.splitlines()[0] == "time: 0 min 50 s on 2 cores"
    assert _shares(report) == [15, 10, 5, 10, 10, 50]


def test_a_stage_of_the_second_in_which_the_run_began_is_of_an_earlier_one(config: Config) -> None:
    """Provenance is kept to the second: the run began at .9 of it, the stage at any time of it."""
    _put(config, 42, train=_record("2026-01-01T11:59:57+00:00", 40, network=40), sample=_record(LATE, 1, ode=1))
    assert _shares(cost.report(config, BEGAN, 5, cores=2)) == [0, 0, 10, 0, 0, 90]


@pytest.mark.parametrize(
    ("seconds", "cores", "cpu", "work"),
    [
        (1.0, 2, 60.0, 30.0),  # jobs on more threads than there are cores, or a clock that was set back
        (1.0, 1, 0.2, 0.9),  # work measured by another clock than the job
        (1.0, 2, 0.0, 0.0),
        (0.0, 2, 3.0, 1.0),
        (0.0, 2, 0.0, 0.0),
        (-5.0, 2, 3.0, 4.0),
        (1e-9, 1, 1e-12, 0.0),
        (3600.0, 64, 1e9, 1e-3),
    ],
)
def test_no_share_is_negative_and_together_they_are_all(
    config: Config, seconds: float, cores: int, cpu: float, work: float
) -> None:
    _put(config, 42, train=_record(LATE, cpu, network=work, coupling=work / 3))
    report = cost.report(config, BEGAN, seconds, cores)
    shares = _shares(report)
    assert all(0 <= share <= 100 for share in shares) and "-" not in report.replace("start-up", "")
    assert shares == [] if not (cpu or work or seconds > 0) else sum(shares) == pytest.approx(100, abs=0.4)
    assert ("more than these cores have" in report) == (max(cpu, 4 / 3 * work) > max(seconds, 0) * cores)


@pytest.mark.parametrize("cpu", [-1.0, 1e400])
def test_seconds_that_are_none_are_damage(config: Config, cpu: float) -> None:
    _put(config, 42, train=_record(LATE, cpu))
    with pytest.raises(UserError, match=r"provenance\.json: damaged"):
        cost.report(config, BEGAN, 1, 1)
