"""What is said before a run: which jobs there are, and how long they may take, from times that were kept."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cfm import config as configuration
from cfm.cli.plan import cores_of, estimated, expected
from cfm.config import Config
from cfm.settings import Training
from cfm.workflow import estimate
from cfm.workflow.jobs import Job, of_event
from cfm.workflow.kept_times import KeptTimes
from cfm.workflow.status import run_states

REFERENCE = Path("results/reference")
MACHINE = {"cores": 2, "processor": "Abacus", "system": "Linux"}
DATASET, SEEDS = "moons_8gaussians", (42, 43, 44)


def elsewhere(config: Config, folder: Path) -> Config:
    """The same, with results in a folder where nothing is."""
    return replace(config, main=replace(config.main, results=str(folder)))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return elsewhere(configuration.load("quick", ("couplings",)), tmp_path / "results")


def made(config: Config, reference: Path, cores: int = 2) -> estimate.Estimate:
    jobs = expected(config, run_states(config))
    return estimate.estimate(config, jobs, KeptTimes(config, reference), cores, 2.2)


def keep(folder: Path, times: dict[str, tuple[str, int, int]], **settings: Any) -> Path:
    """A reference where the stages of some runs of `couplings` took from one second of a minute to another."""
    runs: dict[str, Any] = {}
    for run, (stage, first, last) in times.items():
        span = [f"2025-03-04T05:06:{second:02d}+00:00" for second in (first, last)]
        runs.setdefault(run, {"time": {}})["time"][stage] = span
    train = {"steps": 2000, "batch_size": 128}
    stored = {"runs": runs, "facts": {"machine": [MACHINE], "device": ["cpu"]}}
    stored["settings"] = {"experiment": {"train": train | settings, "train_of": {}}}
    path = folder / "quick/couplings/provenance.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stored))
    return folder


def together(method: str, stage: str, first: int, last: int, dataset: str = DATASET) -> dict[str, tuple[str, int, int]]:
    """All seeds of a cell in one process."""
    return {f"{dataset}/{method}/seed={seed}": (stage, first, last) for seed in SEEDS}


def train(method: str, seeds: tuple[int, ...] = SEEDS, dataset: str = DATASET) -> Job:
    return Job("train", "couplings", dataset, method, seeds)


def seconds(times: KeptTimes, job: Job) -> tuple[float, str]:
    found = times.find(job)
    assert found is not None
    return found.seconds, found.alike


# Minutes on two cores that do nothing else, as the README has them; of all default experiments nearly half is toy2d.
@pytest.mark.parametrize(("experiments", "took"), [(("couplings",), 3.0), ((), 37.0)])
def test_the_estimate_of_what_is_shipped_is_right_within_a_factor_of_two(
    experiments: tuple[str, ...], took: float, tmp_path: Path
) -> None:
    text = Path("README.md").read_text()
    assert f"| {took:.0f} min |" in text or f"| about {took:.0f} min; " in text
    config = elsewhere(configuration.load("quick", experiments), tmp_path)
    found = made(config, REFERENCE)
    assert took / 2 < found.seconds / 60 < took * 2 and not found.unknown
    one, many = (made(config, REFERENCE, cores).seconds for cores in (1, 64))
    assert one > 1.8 * found.seconds and many < found.seconds / 2
    assert many > max(one.seconds for one in found.found), "no job is faster for cores that it does not use"


def test_jobs_are_known_by_what_they_write(config: Config) -> None:
    root, layout = config.layout.root, config.layout
    run = layout.run("e", "d", "m", 42)
    second = layout.run("e", "d", "m", 7)

    def job(rule: str, *outputs: Path | str, **wildcards: str) -> Job | None:
        told = {"rule": rule, "output": [str(path) for path in outputs], "wildcards": wildcards, "threads": 3}
        return of_event(told, root)

    where = {"experiment": "e", "dataset": "d", "threads": 3}
    cell = {**where, "method": "m", "seeds": (7, 42)}
    assert job("data_e", layout.data("e", "d")) == Job("data", **where)
    distances = [layout.source_target("e", "d", seed) for seed in (42, 7)]
    assert job("source_target_e_42", *distances) == Job("source-target", **where, seeds=(7, 42))
    for name in ("model.safetensors", "train.csv"):
        assert job("train_e_42", run / name, second / name) == Job("train", **cell)
    assert job("own_rule", run / "samples/rk4.npz", second / "samples/rk4.npz") == Job("sample", **cell)
    measured = [folder / name for folder in (run, second) for name in ("spec.json", "metrics.json", "provenance.json")]
    assert job("evaluate_e_42", *measured) == Job("evaluate", **cell)
    assert job("objective_e_42", *measured) == Job("objective", **cell)
    assert job("collect_e", layout.runs("e")) == Job("collect", "e", threads=3)
    assert job("table_e_t_1", layout.table("e", "t_1", "csv")) == Job("table", "e", name="t_1", threads=3)
    figure = layout.figure("e", "flow", "d", "png")
    assert job("figure_e_flow", figure, dataset="d") == Job("figure", "e", "d", name="flow", threads=3)
    assert job("claims", layout.claims("csv")) == Job("claims", threads=3)
    assert job("report", layout.report) == Job("report", threads=3)
    assert job("own", "elsewhere/x.txt") == Job("other", name="own", threads=3)
    assert job("own", root / "x.txt") == Job("other", name="own", threads=3)
    assert job("all") is None


def test_a_budget_that_never_ran_lacks_everything_and_a_finished_stage_is_not_counted(config: Config) -> None:
    def counts() -> dict[str, int]:
        jobs = expected(config, run_states(config))
        assert len(jobs) == len(set(jobs))
        return {verb: sum(job.verb == verb for job in jobs) for verb in dict.fromkeys(job.verb for job in jobs)}

    everything = {"train": 8, "sample": 14, "evaluate": 14, "data": 2, "source-target": 2}
    around = {"collect": 1, "table": 1, "figure": 2, "claims": 1, "report": 1}
    assert counts() == everything | around
    for path in [config.layout.data("couplings", DATASET)] + [
        config.layout.run("couplings", DATASET, "otcfm", seed) / "model.safetensors" for seed in SEEDS[:2]
    ]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert counts() == everything | around | {"data": 1}, "a chunk is trained together"
    (config.layout.run("couplings", DATASET, "otcfm", 44) / "model.safetensors").parent.mkdir()
    (config.layout.run("couplings", DATASET, "otcfm", 44) / "model.safetensors").touch()
    assert counts() == everything | around | {"data": 1, "train": 7}


def test_seeds_of_one_process_are_counted_once_and_others_add_up(config: Config, tmp_path: Path) -> None:
    one_after_the_other = {f"{DATASET}/otcfm/seed={s}": ("evaluate", 2 * k, 2 * k + 2) for k, s in enumerate(SEEDS)}
    evaluation = Job("evaluate", "couplings", DATASET, "otcfm", SEEDS)
    times = KeptTimes(config, keep(tmp_path, together("sbcfm", "train", 10, 40) | one_after_the_other))
    assert seconds(times, train("sbcfm")) == (30, "cell") and seconds(times, evaluation) == (6, "cell")
    assert seconds(times, replace(evaluation, seeds=(42,))) == (2, "cell")
    assert seconds(times, train("sbcfm", (50, 51, 52))) == (30, "cell"), "new seeds take what others took"
    assert (
        seconds(times, train("sbcfm", (42,))) == (18, "cell")
        and seconds(times, train("sbcfm", tuple(range(8))))[0] == 60
    )


def test_what_is_alike_stands_in_for_what_is_not_known(config: Config, tmp_path: Path) -> None:
    kept = together("otcfm", "train", 10, 20) | together("sbcfm", "train", 10, 40)
    times = KeptTimes(config, keep(tmp_path, kept))
    assert seconds(times, train("otcfm", dataset="gaussian_moons")) == (10, "dataset")
    assert seconds(times, train("sbcfm_exact")) == (20, "method"), "the median of those of its family"
    assert times.find(Job("sample", "couplings", DATASET, "otcfm", SEEDS)) is None
    external = Job("sample", "couplings", DATASET, "otcfm_torchcfm", SEEDS)
    sampled = KeptTimes(config, keep(tmp_path, together("otcfm", "sample", 10, 11)))
    assert sampled.find(external) is None, "which trains too"
    assert sampled.find(Job("sample", "couplings", DATASET, "identity", SEEDS)) is None, "which is not trained"
    assert times.find(replace(train("otcfm"), experiment="toy2d")) is None


def test_other_steps_and_batches_are_other_work(config: Config, tmp_path: Path) -> None:
    kept = keep(tmp_path, together("otcfm", "train", 10, 20), steps=1000, batch_size=64)
    assert seconds(KeptTimes(config, kept), train("otcfm")) == (40, "cell")
    settings = config.experiments["couplings"]
    assert isinstance(settings.train, Training)
    longer = replace(settings, train_of={"otcfm": replace(settings.train, steps=20_000)})
    config = replace(config, experiments={"couplings": longer})
    assert seconds(KeptTimes(config, kept), train("otcfm")) == (400, "cell")


def test_runs_of_this_folder_come_before_those_that_are_kept(config: Config, tmp_path: Path) -> None:
    record = {"cpu_seconds": 1, "git": {"commit": None}, "packages": {}, "python": "3", "peak_memory_mb": 1}
    record |= {"machine": MACHINE, "started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:01:00+00:00"}
    for seed in SEEDS:
        folder = config.layout.run("couplings", DATASET, "otcfm", seed)
        folder.mkdir(parents=True)
        (folder / "provenance.json").write_text(json.dumps({"train": record}))
        (folder / "spec.json").write_text(json.dumps({"train": {"steps": 2000, "batch_size": 128}}))
    kept = keep(tmp_path, together("otcfm", "train", 10, 20) | together("sbcfm", "train", 10, 20))
    times = KeptTimes(config, kept)
    assert seconds(times, train("otcfm")) == (60, "cell") and seconds(times, train("sbcfm")) == (10, "cell")
    jobs = [train("otcfm"), train("sbcfm"), train("sbcfm", dataset="gaussian_moons")]
    said = estimate.lines(estimate.estimate(config, jobs, times, 2, 2.0), 2)
    assert said[1:] == [
        "  from 1 job like runs in this folder (2026-01-01, 2 cores of Abacus)",
        "  from 2 jobs like runs kept in results/reference (2025-03-04, 2 cores of Abacus); 1 of them from the same "
        "method on another data set",
        "  and 2.0 s of start-up for each job, measured here",
    ]
    (config.layout.run("couplings", DATASET, "otcfm", 42) / "provenance.json").write_text("{")
    assert seconds(KeptTimes(config, kept), train("otcfm", (42, 43))) == (60, "cell"), "of the seeds that are whole"


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"runs": {"a/b": {}}, "facts": {"machine": [], "device": []}}', "\0"]
)
def test_what_is_kept_and_damaged_is_not_known(config: Config, tmp_path: Path, text: str) -> None:
    (tmp_path / "quick/couplings").mkdir(parents=True)
    (tmp_path / "quick/couplings/provenance.json").write_text(text)
    found = made(config, tmp_path)
    assert len(found.unknown) == 36 and not found.found
    said = estimate.lines(found, 2)
    assert said[0].startswith("estimate: at least ") and len(said) == 3
    assert said[2].startswith("  no kept timing, so only their start-up is counted: train couplings/")
    assert said[2].endswith(" and 32 more")


def test_where_jobs_run_elsewhere_hours_of_all_cores_are_told(config: Config) -> None:
    jobs = expected(config, run_states(config))
    local, remote = (estimated(config, jobs, {"executor": e}, 2) for e in ("local", "slurm"))
    assert " min on 2 cores that do nothing else" in local[0] and "about 0.1 core-hours" in remote[0]
    assert local[1].startswith("  from 36 jobs like runs kept in results/reference (20")
    assert cores_of("3") == 3 and cores_of("all") >= 1


def test_gpus_are_shared_and_times_of_a_cpu_say_nothing_of_them(config: Config) -> None:
    found = made(config, REFERENCE)
    jobs, times = expected(config, run_states(config)), KeptTimes(config, REFERENCE)
    one, two = (estimate.estimate(config, jobs, times, 64, 2.2, gpus).seconds for gpus in (1, 2))
    assert one > 1.5 * two > made(config, REFERENCE, 64).seconds and one < 2 * found.seconds
    cuda = replace(config, main=replace(config.main, device="cuda"))
    assert len(made(cuda, REFERENCE).unknown) == 36
