"""What goes wrong: kills, damage, typos and diverging runs end in the same bits or in one clear line."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from cfm.files import locked
from tests.faults.storm import processes
from tests.pipeline.conftest import Project, read_rows

pytestmark = pytest.mark.pipeline
REPRODUCE = ("reproduce", "--budget", "smoke", "--experiments", "toy2d", "--cores", "2")


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("config/methods.yaml", "coupling: exact\n", "coupling: exakt\n", "did you mean 'exact'"),
        ("config/experiments/toy2d.yaml", "seeds_per_job", "seeds_per_jobs", "did you mean 'seeds_per_job'"),
    ],
)
def test_a_typo_ends_the_command_before_any_job(
    new_project: Project, file: str, old: str, new: str, message: str
) -> None:
    new_project.replace(file, old, new)
    done = new_project.reproduce()
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"error: {file}") and message in lines[0]
    assert not (new_project.folder / "results").exists()


def test_a_kill_while_training_costs_nothing(new_project: Project, finished: Project, numbers) -> None:  # type: ignore[no-untyped-def]
    """SIGKILL in the middle, then the same command: the same bits as the run that was left alone."""
    new_project.replace("config/budgets/smoke.yaml", "steps: 30", "steps: 3000")
    arguments = ["--budget", "smoke", "--experiment", "toy2d", "--dataset", "moons_8gaussians"]
    assert new_project.cfm("data", *arguments).returncode == 0
    train = ["train", *arguments, "--method", "otcfm"]
    assert new_project.cfm(*train).returncode == 0
    undisturbed = numbers(new_project)
    for path in new_project.results.rglob("model.safetensors"):
        path.unlink()
    resume = new_project.folder / "results/smoke/.resume"
    kills = 0
    while kills < 3:
        process = new_project.start(*train)
        deadline = time.monotonic() + 60
        seen = _step(resume)
        while _step(resume) <= seen and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.poll() is None, "training ended before it could be killed"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        assert not list(new_project.results.rglob("model.safetensors"))
    assert 0 < _step(resume) < 3000
    assert new_project.cfm(*train).returncode == 0
    assert numbers(new_project) == undisturbed
    assert not list(resume.glob("[!.]*.safetensors"))  # a kill while one is written leaves a hidden file


def _step(resume: Path) -> int:
    from safetensors import safe_open

    for path in resume.glob("[!.]*.safetensors"):
        with safe_open(path, "np") as file:
            return int(file.metadata()["step"])
    return 0


def test_a_kill_of_the_whole_workflow_ends_with_the_same_bits(new_project: Project, finished: Project, numbers) -> None:  # type: ignore[no-untyped-def]
    process = new_project.start(*REPRODUCE)
    deadline = time.monotonic() + 120
    while not list(new_project.results.rglob("model.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(new_project.results.glob("runs.csv"))
    done = new_project.reproduce()
    assert done.returncode == 0, done.stdout + done.stderr
    assert numbers(new_project) == numbers(finished)


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM to the command alone", "SIGTERM where interrupts are ignored"])
def test_a_stop_ends_every_process_and_keeps_what_is_half_trained(new_project: Project, how: str) -> None:
    new_project.replace("config/budgets/smoke.yaml", "steps: 30", "steps: 300000")
    ignoring = how == "SIGTERM where interrupts are ignored"  # as under `nohup` in a script
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignoring else signal.default_int_handler)
    with open(new_project.folder / "said", "wb") as said:
        process = new_project.popen("-m", "cfm", *REPRODUCE, output=said)
    signal.signal(signal.SIGINT, before)
    resume, deadline = new_project.folder / "results/smoke/.resume", time.monotonic() + 300
    while _step(resume) == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    if how == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.terminate()
    assert process.wait(120) == 130
    assert not processes(process.pid)
    assert "stopping: what is half-trained is kept" in (new_project.folder / "said").read_text()
    assert _step(resume) > 0


def test_two_runs_at_once_are_one_run_and_one_clear_line(project: Project) -> None:
    with locked(project.folder / "results/smoke/.lock"):
        done = project.reproduce()
    assert done.returncode == 2 and "another `make reproduce`" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("victim", ["model.safetensors", "samples/rk4.npz"])
def test_a_damaged_file_is_named_and_never_measured(project: Project, victim: str) -> None:
    """Bits flipped in the middle of a file: the next stage says which file, in one line."""
    path = project.results / "gaussian_8gaussians/otcfm/seed=42" / victim
    content = bytearray(path.read_bytes())
    if victim.endswith(".npz"):
        content[len(content) // 2] ^= 0xFF
    else:
        content[:8] = bytes(8)
    path.write_bytes(bytes(content))
    verb = "sample" if victim == "model.safetensors" else "evaluate"
    where = ["--experiment", "toy2d", "--dataset", "gaussian_8gaussians", "--method", "otcfm"]
    done = project.cfm(verb, "--budget", "smoke", *where)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and victim in last and "damaged" in last


def test_a_job_that_fails_is_told_with_its_command_and_the_report_is_of_the_rest(project: Project) -> None:
    run = project.results / "gaussian_8gaussians/otcfm/seed=42"
    (run / "samples/rk4.npz").write_bytes(b"no npz")
    (run / "metrics.json").unlink()
    done = project.reproduce()
    assert done.returncode == 1
    command = "python -m cfm evaluate --budget smoke --experiment toy2d --dataset gaussian_8gaussians --method otcfm"
    assert f"    by hand: {command} --seeds 42 43" in done.stdout
    assert "    | error: results/smoke/toy2d/gaussian_8gaussians/otcfm/seed=42/samples/rk4.npz: damaged" in done.stdout
    assert done.stdout.endswith("report of what there is: results/smoke/report.html\n")
    report = (project.folder / "results/smoke/report.html").read_text()
    assert "seeds 42, 43, unfinished: error: results/smoke/toy2d/gaussian_8gaussians/otcfm" in report
    assert "Not every run is done:" in report


LONELY = """
rule {0}:
    input: "{1}"
    output: "{0}.txt"
    shell: "touch {{output}}"
"""


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("nonsense\n", ["NameError in file", "name 'nonsense' is not defined"]),
        (LONELY.format("a", "nowhere.txt"), ["Missing input files for rule a:", "nowhere.txt"]),
        (LONELY.format("a", "b.txt") + LONELY.format("b", "a.txt"), ["Cyclic dependency on rule a."]),
        (2 * LONELY.format("a", "Snakefile").replace("rule a", "rule"), ["are ambiguous for the file a.txt."]),
        ("sys.exit('no luck')\n", ["    | no luck"]),  # told by no event: the end of the log is shown
    ],
)
def test_an_error_before_any_job_reaches_the_screen(new_project: Project, rules: str, said: list[str]) -> None:
    with open(new_project.folder / "workflow/rules/report.smk", "a") as file:
        file.write(rules)
    new_project.replace("Snakefile", "rules.report.output,", "rules.report.output,\n        'a.txt',")
    done = new_project.reproduce()
    assert done.returncode == 1 and not (new_project.results / "gaussian_8gaussians").exists()
    assert all(text in done.stdout for text in said), done.stdout
    assert "not finished (exit code 1): the whole log is in results/smoke/logs/snakemake.log" in done.stdout
    assert all(
        text.strip(" |") in (new_project.folder / "results/smoke/logs/snakemake.log").read_text() for text in said
    )


def test_a_failing_run_is_a_row_with_its_reason(new_project: Project) -> None:
    """A learning rate that diverges: failed runs in runs.csv, `failed` in the table, the others untouched."""
    new_project.replace("config/budgets/smoke.yaml", "steps: 30,", "steps: 30, learning_rate: 1.0e+30,")
    done = new_project.reproduce()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed: toy2d/gaussian_8gaussians/icfm/seed=42: the loss is not finite" in done.stdout
    rows = read_rows(new_project.results / "runs.csv")
    failed = [r for r in rows if r["status"] == "failed"]
    assert {r["method"] for r in failed} == {"icfm", "otcfm", "fm"}
    assert all(r["value"] == "" and "not finite" in r["reason"] for r in failed)
    cells = {(r["method"], r["dataset"], r["metric"]): r for r in read_rows(new_project.results / "tables/table2.csv")}
    assert cells["icfm", "gaussian_8gaussians", "w2"]["verdict"] == "failed"
    assert cells["identity", "gaussian_8gaussians", "w2"]["n"] == "2"
    status = new_project.cfm("status", "--budget", "smoke", "--experiments", "toy2d").stdout
    assert "10 failed" in status and "train-42.log" in status


def test_a_resumed_training_starts_anew_when_its_data_changed(new_project: Project) -> None:
    """What is half-trained belongs to settings, code and data: other data, other state."""
    arguments = ["--budget", "smoke", "--experiment", "toy2d", "--dataset", "moons_8gaussians"]
    assert new_project.cfm("data", *arguments).returncode == 0
    new_project.replace("config/budgets/smoke.yaml", "steps: 30", "steps: 20000")
    process = new_project.start("train", *arguments, "--method", "icfm")
    resume = new_project.folder / "results/smoke/.resume"
    deadline = time.monotonic() + 60
    while not _step(resume) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (state,) = resume.glob("[!.]*.safetensors")
    new_project.replace("cfm/datasets/toy2d.py", "rng.integers(8, size=n), 12.0", "rng.integers(8, size=n), 11.0")
    assert new_project.cfm("data", *arguments).returncode == 0
    process = new_project.start("train", *arguments, "--method", "icfm")
    while len(list(resume.glob("[!.]*.safetensors"))) < 2 and time.monotonic() < deadline + 60:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len([path for path in resume.glob("[!.]*.safetensors") if path != state]) == 1


def test_a_figure_that_raises_stops_nothing_else(project: Project) -> None:
    """Tables, claims and the report are made, the figure has its reason there, and the next run tries it again."""
    figure, results = project.folder / "cfm/results/figures/evaluations.py", project.results.parent
    sound, line = figure.read_text(), "    from matplotlib.lines import Line2D\n"
    figure.write_text(sound.replace(line, f'{line}    raise RuntimeError("planted")\n'))
    shutil.rmtree(project.results / "tables")
    for name in ("claims.csv", "claims.md", "report.html"):
        (results / name).unlink()
    done = project.reproduce()
    assert done.returncode == 1, done.stdout
    assert "figure failed: toy2d/evaluations: RuntimeError: planted (evaluations.py:" in done.stdout.split("tables:")[0]
    assert done.stdout.rstrip().endswith("report: results/smoke/report.html")
    assert (project.results / "tables/table2.csv").exists() and (results / "claims.csv").exists()
    page = " ".join((results / "report.html").read_text().split())
    assert "could not be drawn: RuntimeError: planted" in page and "table2.csv" in page
    assert not (project.results / "figures/evaluations.png").exists()
    assert (project.results / "figures/trajectories_gaussian_8gaussians.png").exists()
    alone = project.cfm("figure", "--budget", "smoke", "--experiment", "toy2d", "--name", "evaluations")
    note = "results/smoke/toy2d/figures/evaluations.failed.txt"
    assert alone.returncode == 1 and len(alone.stderr.splitlines()) == 1 and note in alone.stderr
    assert 'raise RuntimeError("planted")' in (project.folder / note).read_text()
    figure.write_text(sound)
    assert project.planned() == {"all": 1, "figure_toy2d_evaluations": 1, "report": 1}
    again = project.reproduce()
    assert again.returncode == 0 and "failed" not in again.stdout, again.stdout
    assert (project.results / "figures/evaluations.png").exists() and not (project.folder / note).exists()
    assert "could not be drawn" not in (results / "report.html").read_text()
    assert project.planned() == {}
