"""Methods from outside in the workflow: the skeletons are rows at once, and what fails stops no other row."""

import pytest

from tests.pipeline.conftest import Project, read_rows

pytestmark = pytest.mark.pipeline

# A rule that writes by itself, without `cfm external`, what is no samples file.
PLAIN = """
for experiment, seeds in external_chunks("plain"):

    rule:
        name:
            f"plain_{experiment}_{seeds[0]}"
        input:
            str(LAYOUT.data(experiment, "{dataset}")),
        output:
            external_samples("plain", experiment, seeds),
        shell:
            "for file in {output}; do cp {input} $file; done"
"""
ENTRY = "\nplain:\n  label: Plain\n  family: external\n  experiments: [toy2d]\n"


def test_skeletons_are_rows_and_failures_are_marked(project: Project) -> None:
    for arguments in (["steady", "--rule"], ["broken", "--rule"], ["my_idea"]):
        done = project.cfm("new-method", *arguments)
        assert done.returncode == 0, done.stderr
    checked = project.cfm("check-method", "my_idea")
    assert checked.returncode == 0 and checked.stdout.count(" ok\n") == 9, checked.stdout + checked.stderr
    project.replace("workflow/rules/methods/broken.py", "target =", "raise SystemExit('no luck')\ntarget =")
    (project.folder / "workflow/rules/methods/plain.smk").write_text(PLAIN)
    entries = project.folder / "config/methods.yaml"
    entries.write_text(entries.read_text() + ENTRY)
    project.replace("config/budgets/smoke.yaml", "oracle]", "oracle, steady, broken, plain, my_idea]")
    project.replace("config/budgets/smoke.yaml", "datasets: [gaussian_8gaussians, ", "datasets: [")
    done = project.reproduce()
    assert done.returncode == 0, done.stdout + done.stderr
    reason = "broken.py ended with exit code 1: no luck"
    assert f"failed: toy2d/moons_8gaussians/broken/seed=42: {reason}" in done.stdout
    rows = read_rows(project.results / "tables/table2.csv")  # also of what was finished before, on another data set
    cells = {(r["method"], r["metric"]): r for r in rows if r["dataset"] == "moons_8gaussians"}
    for method in ("steady", "my_idea"):
        assert (cells[method, "w2"]["n"], cells[method, "npe"]["n"]) == ("2", "2")
    for method, said in (("broken", reason), ("plain", "rk4.npz: unknown array")):
        cell = cells[method, "w2"]
        assert (cell["n"], cell["mean"], cell["verdict"]) == ("0", "", "failed") and said in cell["note"]
    assert (project.results / "figures/trajectories_moons_8gaussians.png").stat().st_size > 5000

    project.replace("workflow/rules/methods/broken.py", "raise SystemExit('no luck')\n", "")
    done = project.reproduce()
    assert done.returncode == 0 and "/broken/" not in done.stdout, done.stdout + done.stderr
    rows = read_rows(project.results / "tables/table2.csv")
    assert {
        r["n"] for r in rows if (r["method"], r["dataset"], r["metric"]) == ("broken", "moons_8gaussians", "w2")
    } == {"2"}
