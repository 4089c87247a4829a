"""The workflow as a user meets it: one command, nothing to do the second time, nothing stale, nothing lost."""

import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.pipeline.conftest import ROOT, Project, read_rows

pytestmark = pytest.mark.pipeline

NOTHING: dict[str, int] = {}


@pytest.mark.parametrize("budget", ["smoke", "quick", "paper"])
def test_every_budget_can_be_planned(budget: str) -> None:
    """A dry run of every experiment of the real configuration."""
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "--nolock", "--config", f"budget={budget}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_one_run_writes_what_the_contract_says(finished: Project) -> None:
    run = finished.results / "gaussian_8gaussians/otcfm/seed=42"
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert {
        "spec.json",
        "model.safetensors",
        "train.csv",
        "metrics.json",
        "provenance.json",
        "samples/rk4.npz",
    } <= names
    provenance = json.loads((run / "provenance.json").read_text())
    assert {"train", "sample", "evaluate"} <= set(provenance)
    assert provenance["train"]["packages"]["torch"]
    header = (finished.results / "runs.csv").read_text().splitlines()[0]
    assert header == "dataset,method,seed,solver,nfe,metric,value,unit,status,reason"
    for suffix in ("csv", "md", "tex"):
        assert (finished.results / f"tables/table2.{suffix}").stat().st_size > 500
    for suffix in ("png", "pdf"):
        assert (finished.results / f"figures/trajectories_moons_8gaussians.{suffix}").stat().st_size > 5000
    report = (finished.folder / "results/smoke/report.html").read_text()
    assert "Two-dimensional optimal transport (Table 2)" in report and report.count("<figure") == 3
    assert not list((finished.folder / "results/smoke/.resume").glob("*"))
    assert not list((finished.folder / "results/smoke/.progress").glob("*.json"))


def test_snakemakes_own_report_shows_tables_and_figures_with_captions(finished: Project, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    command = [sys.executable, "-m", "snakemake", "--nolock", "--report", str(page), "--config", "budget=smoke"]
    done = subprocess.run([*command, "experiments=toy2d"], cwd=finished.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    for words in ("table2.csv", "trajectories_moons_8gaussians.png", "Two-dimensional optimal transport (Table 2)"):
        assert words in text
    assert "of experiment <tt class=" in text  # the captions


def test_the_table_holds_every_pair_and_a_dash_with_its_reason(finished: Project) -> None:
    rows = read_rows(finished.results / "tables/table2.csv")
    assert list(rows[0])[:10] == [
        "method", "dataset", "metric", "n", "mean", "std", "paper_mean", "paper_std", "paper_confidence", "verdict",
    ]  # fmt: skip
    cells = {(r["method"], r["dataset"], r["metric"]): r for r in rows}
    assert cells["icfm", "gaussian_8gaussians", "npe"]["n"] == "2"
    assert cells["icfm", "gaussian_8gaussians", "npe"]["paper_mean"] == "0.222"
    dash = cells["fm", "moons_8gaussians", "w2"]
    assert (dash["n"], dash["mean"], dash["verdict"]) == ("0", "", "not applicable")
    text = (finished.results / "tables/table2.md").read_text()
    assert "FM: needs a standard normal source" in text and "| — " in text


def test_the_tables_numbers_are_the_runs_numbers(finished: Project) -> None:
    """Mean and standard deviation computed again from metrics.json."""
    values = [
        json.loads((finished.results / f"gaussian_8gaussians/icfm/seed={s}/metrics.json").read_text())["rk4"]["metrics"]
        for s in (42, 43)
    ]
    cells = {
        (r["method"], r["dataset"], r["metric"]): r
        for table in ("table2", "table2_large")
        for r in read_rows(finished.results / f"tables/{table}.csv")
    }
    for metric in ("w2", "npe", "w2_large", "npe_large"):
        a, b = (v[metric] for v in values)
        cell = cells["icfm", "gaussian_8gaussians", metric]
        assert float(cell["mean"]) == pytest.approx((a + b) / 2)
        assert float(cell["std"]) == pytest.approx(abs(a - b) / 2**0.5)


def test_a_second_run_has_nothing_to_do(project: Project) -> None:
    assert project.planned() == NOTHING
    began = time.perf_counter()
    done = project.reproduce()
    assert done.returncode == 0 and "tables:" in done.stdout
    assert "nothing to do" in done.stdout
    assert done.stdout.endswith("report: results/smoke/report.html\n") and " undecided, " in done.stdout
    assert time.perf_counter() - began < 15


def test_a_comment_reruns_nothing_and_a_method_edit_only_that_method(project: Project) -> None:
    project.replace("cfm/methods/flow_matching.py", "@dataclass", "# a remark\n@dataclass")
    project.replace("cfm/training/trainer.py", '"""Stochastic gradient', '"""Ordinary stochastic gradient')
    assert project.planned() == NOTHING
    project.replace("cfm/methods/identity.py", "np.copy(start.x0)", "np.array(start.x0)")
    planned = project.planned()
    assert planned["sample_toy2d_42"] == 2  # the identity on both data sets
    assert not any(rule.startswith("train") for rule in planned)


def test_the_place_and_the_name_of_modules_rerun_nothing(project: Project) -> None:
    """One that the stages use directly, one that all use, one in a folder of its own, all moved at once."""
    moved = {"couplings.minibatch": "couplings.pairs", "errors": "failures", "solvers.ode": "solvers.fields.steps"}
    for old, new in moved.items():
        source, target = (project.folder / "cfm" / f"{name.replace('.', '/')}.py" for name in (old, new))
        target.parent.mkdir(exist_ok=True)
        source.rename(target)
        for path in [*(project.folder / "cfm").rglob("*.py"), *(project.folder / "workflow").rglob("*.smk")]:
            path.write_text(path.read_text().replace(f"from cfm.{old} import", f"from cfm.{new} import"))
    assert project.planned() == NOTHING
    assert project.cfm("check", "--budget", "smoke").returncode == 0
    project.replace(
        f"cfm/{moved['couplings.minibatch'].replace('.', '/')}.py",
        "return np.arange(len(batch.x0)), batch",
        "return batch.permutation(), batch",
    )
    assert project.planned()["train_toy2d_42"] > 0


def test_a_code_edit_cannot_leave_a_stale_number(project: Project) -> None:
    """NPE is changed by a factor; the table follows without anything else being asked for."""
    before = {
        (r["method"], r["dataset"]): r for r in read_rows(project.results / "tables/table2.csv") if r["metric"] == "npe"
    }
    project.replace(
        "cfm/metrics/path_energy.py", "abs(energy - optimal) / optimal", "abs(energy - optimal) / optimal * 8"
    )
    planned = project.planned()
    assert planned["evaluate_toy2d_42"] == 9 and not any(r.startswith(("train", "sample")) for r in planned)
    assert project.reproduce().returncode == 0
    after = {
        (r["method"], r["dataset"]): r for r in read_rows(project.results / "tables/table2.csv") if r["metric"] == "npe"
    }
    key = ("icfm", "gaussian_8gaussians")
    assert float(after[key]["mean"]) == pytest.approx(8 * float(before[key]["mean"]))


def test_a_changed_setting_reruns_its_runs_only(project: Project) -> None:
    project.replace(
        "config/methods.yaml",
        "coupling: exact\n  path: linear\n  sigma: 0.1",
        "coupling: exact\n  path: linear\n  sigma: 0.2",
    )
    planned = project.planned()
    assert planned["train_toy2d_42"] == 2 and planned["evaluate_toy2d_42"] == 2
    project.replace("config/methods.yaml", "label: I-CFM", "label: Independent CFM")
    assert project.planned()["train_toy2d_42"] == 2  # a label is not a setting


def test_a_new_variant_by_one_entry_and_a_new_method_by_one_file(project: Project) -> None:
    """Both appear in the table, and nothing that was there is computed again."""
    entries = project.folder / "config/methods.yaml"
    entries.write_text(
        entries.read_text()
        + textwrap.dedent("""
        otcfm_trigonometric:
          label: OT-CFM on the trigonometric path
          family: flow_matching
          coupling: exact
          path: trigonometric
          sigma: 0.05
          experiments: [toy2d]

        shrink:
          label: Shrink and shift
          family: shrink
          factor: 0.5
          experiments: [toy2d]
        """)
    )
    (project.folder / "cfm/methods" / "shrink.py").write_text(
        textwrap.dedent('''
        """A method that moves every point towards the origin."""

        from dataclasses import dataclass

        from cfm.methods.base import Method
        from cfm.solvers.trajectory import straight_line


        @dataclass(frozen=True)
        class Shrink(Method):
            """x1 = factor x0, in one straight step."""

            factor: float
            trained = False

            def sample(self, field, start, solver):
                return straight_line(start.x0, self.factor * start.x0)


        METHOD = Shrink
        ''')
    )
    project.replace("config/budgets/smoke.yaml", "oracle]", "oracle, otcfm_trigonometric, shrink]")
    planned = project.planned()
    assert planned["train_toy2d_42"] == 2 and planned["sample_toy2d_42"] == 4
    done = project.reproduce()
    assert done.returncode == 0, done.stdout + done.stderr
    cells = {(r["method"], r["dataset"], r["metric"]): r for r in read_rows(project.results / "tables/table2.csv")}
    for method in ("otcfm_trigonometric", "shrink"):
        for dataset in ("gaussian_8gaussians", "moons_8gaussians"):
            assert cells[method, dataset, "w2"]["n"] == "2"
    assert float(cells["shrink", "gaussian_8gaussians", "npe"]["mean"]) < 1
    assert "OT-CFM on the trigonometric path" in (project.results / "tables/table2.md").read_text()


def test_status_says_what_is_missing(project: Project) -> None:
    (project.results / "gaussian_8gaussians/otcfm/seed=43/metrics.json").unlink()
    text = project.cfm("status", "--budget", "smoke", "--experiments", "toy2d").stdout
    assert "17 done, 0 running, 0 failed, 1 sampled, 0 missing" in text
    assert "sampled gaussian_8gaussians/otcfm, seeds 43" in text


def test_show_and_list_name_what_is_there(project: Project) -> None:
    where = ["--experiment", "toy2d", "--dataset", "gaussian_8gaussians", "--method", "otcfm"]
    shown = json.loads(project.cfm("show", "--budget", "smoke", *where).stdout)
    assert shown["method"]["coupling"] == "exact" and shown["seeds"] == [42, 43]
    listed = project.cfm("list", "--budget", "smoke").stdout
    for name in ("toy2d", "gaussian_8gaussians", "otcfm", "npe"):
        assert name in listed


def test_numbers_that_somebody_deleted_are_measured_again(project: Project) -> None:
    """Snakemake by itself (9.27.1) does not ask for them while the tables are there."""
    path = project.results / "gaussian_8gaussians/otcfm/seed=42/metrics.json"
    before, trained = path.read_bytes(), path.with_name("model.safetensors").stat().st_mtime_ns
    path.unlink()
    assert not project.planned()
    planned = project.cfm("reproduce", "--budget", "smoke", "--experiments", "toy2d", "--dry-run").stdout
    assert "1 evaluate" in planned and "train" not in planned.split("estimate")[0].split("jobs:")[1]
    assert project.reproduce().returncode == 0
    assert json.loads(path.read_bytes()).keys() == json.loads(before).keys()
    assert path.with_name("model.safetensors").stat().st_mtime_ns == trained
    assert "nothing to do" in project.reproduce().stdout


def test_more_seeds_run_only_the_new_ones(project: Project) -> None:
    """Seeds share a process in chunks of fixed size: a third seed is a chunk of its own."""
    project.replace("config/budgets/smoke.yaml", "seeds: [42, 43]", "seeds: [42, 43, 44]")
    planned = project.planned()
    assert planned["train_toy2d_44"] == 5
    assert not any(rule.endswith("_42") for rule in planned)
