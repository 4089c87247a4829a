"""Verbs by hand say what they measured and what they wrote, on stdout, which is the log of a job."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cfm.__main__ import main
from cfm.files import write_arrays
from tests.contract.conftest import DATASET

WHERE = ["--budget", "smoke", "--experiment", "toy2d", "--dataset", DATASET]
RUN = Path("results/smoke/toy2d") / DATASET / "identity"


def _said(capsys: pytest.CaptureFixture[str], verb: str, *more: str) -> list[str]:
    capsys.readouterr()
    assert main([verb, *WHERE, *more]) == 0
    return capsys.readouterr().out.splitlines()


def test_evaluate_prints_the_numbers_that_it_wrote(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = _said(capsys, "evaluate", "--method", "identity")
    header, rows = lines[0].split(), [line.split() for line in lines if line[:2] in ("42", "43")]
    for seed in (42, 43):
        stored = json.loads((RUN / f"seed={seed}/metrics.json").read_text())
        for solver, result in stored.items():
            row = next(row for row in rows if row[:2] == [str(seed), solver])
            shown = dict(zip(header, row, strict=True))
            assert float(shown["w2"]) == pytest.approx(result["metrics"]["w2"], rel=1e-3)
            assert shown["train_seconds" if "train_seconds" in shown else "nfe"] in ("—", str(result["nfe"]))
    large = lines[lines.index("on the large test set:") + 1].split()
    assert "npe_large" in large and "npe_large" not in header
    assert any(line.startswith("units: data units (w2") for line in lines)
    assert lines[-1] == f"written: metrics.json, spec.json and provenance.json in {RUN}/seed={{42,43}}"


def test_evaluate_prints_why_a_run_failed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_arrays(RUN / "seed=42/samples/rk4.npz", {"failure": np.array("the ODE solution is not finite")})
    lines = _said(capsys, "evaluate", "--method", "identity", "--seeds", "42")
    assert "42    rk4       failed: the ODE solution is not finite" in lines
    assert lines[-1].endswith(f"in {RUN}/seed=42")


def test_columns_are_aligned(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = _said(capsys, "evaluate", "--method", "identity")
    table = lines[: lines.index("on the large test set:")]
    assert len(table) > 10 and len({len(line) for line in table}) == 1 and len(table[0]) < 120


def test_other_verbs_say_what_they_wrote(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = _said(capsys, "source-target")
    apart = json.loads(Path(f"results/smoke/toy2d/{DATASET}/source_target/seed=42.json").read_text())
    assert lines[0].split("  ")[0] == "seed" and lines[1].split() == ["42", "test", f"{apart['test']:.4g}"]
    (line,) = _said(capsys, "sample", "--method", "identity", "--seeds", "43")
    assert line.startswith("written: samples/rk4.npz, ") and line.endswith(f"in {RUN}/seed=43")
