"""`make bench`: measure, write `rates.csv`, `solver.csv`, `machine.json` and the figure."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import torch

from benchmarks.draw import draw
from benchmarks.ours import JobPerCore, job_rate, network_rate, solver_times
from benchmarks.pictures import coupling_seconds, picture_rates
from benchmarks.plain import plain_rate
from benchmarks.problem import problem
from cfm import config
from cfm.artifacts.provenance import Stopwatch
from cfm.files import write_json, write_text
from cfm.methods.flow_matching import FlowMatching

METHODS = {
    "I-CFM": FlowMatching("independent", "linear", 0.1),
    "OT-CFM": FlowMatching("exact", "linear", 0.1),
}
DIMENSIONS, BATCH_SIZES = (2, 5, 50), (128, 256, 512)
SECONDS = 2.0  # for each measurement


def bench(folder: Path) -> None:
    """Measure everything, printing as it goes; under ten minutes on two cores."""
    watch, cores = Stopwatch(), os.cpu_count() or 1
    torch.set_num_threads(1)
    print(f"seed-steps per second on {cores} cores, {SECONDS:g} s each; then the exact coupling against ot.emd")
    rows = list(_rates(cores))
    rates = pd.DataFrame(rows)
    rates["ratio"] = rates["seed_steps_per_second"] / rates.groupby(["method", "dim", "batch_size"])[
        "seed_steps_per_second"
    ].transform("first")
    solver = pd.DataFrame(
        {"dim": dim, "batch_size": size, **solver_times(dim, size, SECONDS)}
        for dim in DIMENSIONS
        for size in BATCH_SIZES
    )
    write_text(folder / "rates.csv", rates.to_csv(index=False, float_format="%.4g"))
    write_text(folder / "solver.csv", solver.to_csv(index=False, float_format="%.3g"))
    write_json(folder / "machine.json", watch.record(torch_threads=1))
    draw(rates, solver, folder)
    if torch.cuda.is_available():
        pictures = pd.DataFrame(_pictures())
        write_text(folder / "pictures.csv", pictures.to_csv(index=False, float_format="%.4g"))
        print(pictures.to_string(index=False, float_format="%.4g"))
    print(_summary(rates))
    print(solver.to_string(index=False, float_format="%.3g"))
    print(f"written to {folder}")


def _rates(cores: int) -> Iterator[dict[str, object]]:
    with JobPerCore(cores) as side_by_side:
        for dim in DIMENSIONS:
            for size in BATCH_SIZES:
                for name, method in METHODS.items():
                    for what, rate in _measurements(method, dim, size, cores, side_by_side):
                        found = rate()
                        print(f"  {name:6s} {dim:2d}-D batch {size:3d}  {what:34s} {found:8.0f}", flush=True)
                        yield {
                            "method": name,
                            "dim": dim,
                            "batch_size": size,
                            "what": what,
                            "seed_steps_per_second": found,
                        }


def _measurements(
    method: FlowMatching, dim: int, size: int, cores: int, side_by_side: JobPerCore
) -> Iterator[tuple[str, Callable[[], float]]]:
    """What is measured in one cell of the grid; the plain loop is first, the others are compared with it."""
    coupled = method.coupling == "exact"
    workers = cores if coupled else 0
    job = functools.partial(job_rate, method, dim, size, workers=workers, seconds=SECONDS)
    network = functools.partial(network_rate, method, dim, size, seconds=SECONDS)
    yield "plain loop, one seed", functools.partial(_best_plain_rate, dim, size, coupled, cores)
    yield "one seed", functools.partial(job, 1)
    yield "five seeds in one job", functools.partial(job, 5)
    yield "five seeds a job, a job per core", functools.partial(side_by_side.rate, method, dim, size, 5, SECONDS)
    yield "network step alone, five seeds", functools.partial(network, 5)
    if torch.cuda.is_available():
        for seeds in (1, 5, 20):
            yield f"GPU, {seeds} seeds", functools.partial(job, seeds, device="cuda")
            yield f"GPU, network step alone, {seeds} seeds", functools.partial(network, seeds, device="cuda")


def _pictures() -> Iterator[dict[str, object]]:
    """The network and batch of the paper's CIFAR-10; the share of a step that its coupling would take in its place."""
    settings = config.load("paper").whole().training("cifar10", "otcfm_pictures")
    assert settings is not None
    dim, size = 3 * 32 * 32, settings.batch_size
    coupling = coupling_seconds(size, dim, SECONDS)
    for way, rate in picture_rates(settings, dim, "cuda", 10 * SECONDS).items():
        yield {"what": way, "pictures_per_second": rate, "coupling_share_of_a_step": coupling * rate / size}


def _best_plain_rate(dim: int, size: int, coupled: bool, cores: int) -> float:
    """With one thread or with all cores, whichever is faster."""
    return max(plain_rate(problem(dim), size, coupled, threads, SECONDS / 2) for threads in {1, cores})


def _summary(rates: pd.DataFrame) -> str:
    table = rates.pivot_table(index=["method", "dim", "batch_size"], columns="what", values="ratio", sort=False)
    return "ratio to the plain loop:\n" + table.to_string(float_format="%.1f")
