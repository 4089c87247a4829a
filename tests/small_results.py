"""A small folder of results for the report: a run failed, some are unfinished, the name of a method is hostile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from cfm import config as configuration
from cfm.artifacts.layout import samples_path
from cfm.artifacts.runs import COLUMNS, rows_of
from cfm.config import Config
from cfm.config.entries import NamedMethod
from cfm.files import write_arrays, write_json, write_text
from cfm.results.figures.base import datasets_shown, kind_of
from cfm.results.tables.base import make

HOSTILE = '<img src=x onerror="alert(1)"> & </script><b>SB'
REASON = "loss is <NaN> & stays so"
LAST_WORDS = "error: no space left on </device>"
_RECORD = {
    "cpu_seconds": 6.0,
    "started": "2026-01-02T03:04:05+00:00",
    "finished": "2026-01-02T03:05:05+00:00",
    "git": {"commit": "0123456789abcdef", "dirty": False},
    "packages": {"torch": "2.0"},
    "python": "3.11",
    "machine": {"system": "Linux", "processor": "a processor", "cores": 2},
    "peak_memory_mb": 99,
    "device": "cpu",
}


def small_config(folder: Path) -> Config:
    """Experiments toy2d (two data sets, two seeds) and taxonomy, with results in `folder`."""
    config = configuration.load("smoke", ("taxonomy", "toy2d"))
    asked = config.experiments["toy2d"]
    solvers = {name: asked.solvers[name] for name in ("rk4", "euler2")}
    toy = replace(asked, datasets=("gaussian_8gaussians", "moons_8gaussians"), seeds=(42, 43), solvers=solvers)
    sbcfm = config.methods["sbcfm"]
    hostile = NamedMethod(sbcfm.name, replace(sbcfm.entry, label=HOSTILE), sbcfm.method)
    experiments = {**config.experiments, "toy2d": toy}
    return replace(
        config,
        main=replace(config.main, results=str(folder)),
        methods={**config.methods, "sbcfm": hostile},
        experiments=experiments,
        asked=experiments,
    )


def small_results(folder: Path) -> Config:
    """Write the results and return their configuration."""
    config = small_config(folder)
    rng = np.random.default_rng(0)
    settings, layout = config.experiments["toy2d"], config.layout
    for dataset in settings.datasets:
        write_arrays(layout.data("toy2d", dataset), {"test_1": rng.normal(size=(50, 2)).astype(np.float32)})
    for (dataset, method, seed), run in config.runs("toy2d").items():
        log = layout.log(f"toy2d/{dataset}/{method}-train-42")
        if (dataset, method) == ("moons_8gaussians", "rf2"):
            write_text(log, f"starting\n{LAST_WORDS}\n\n")
        else:
            write_text(log, "trained\n")
            _write_run(config, run, rng, failed=(dataset, method, seed) == ("moons_8gaussians", "icnn", 43))
    finished = {key: run for key, run in config.runs("toy2d").items() if (run / "metrics.json").exists()}
    rows = pd.DataFrame(rows_of(finished), columns=COLUMNS).astype({"nfe": "Int64"})
    write_text(layout.runs("toy2d"), rows.to_csv(index=False))
    for experiment, e in config.experiments.items():
        for table in e.tables:
            make(config, experiment, table)
    _write_figures(config)
    return config


def _write_run(config: Config, run: Path, rng: np.random.Generator, failed: bool) -> None:
    metrics = [*config.experiments["toy2d"].metrics, "w2_large", "npe_large"]
    results = {}
    for solver in config.experiments["toy2d"].solvers:
        values = {name: float(abs(rng.normal(1, 0.3))) for name in metrics}
        ok = {"status": "ok", "reason": "", "nfe": 40, "metrics": values}
        results[solver] = {"status": "failed", "reason": REASON, "nfe": None, "metrics": {}} if failed else ok
        t = np.linspace(0, 1, 5, dtype=np.float32)
        x0, x1 = rng.normal(size=(2, 60, 2)).astype(np.float32)
        paths = {"t": t, "trajectory": x0 + t[:, None, None] * (x1 - x0), "x0": x0}
        write_arrays(samples_path(run, solver), {"failure": np.array(REASON)} if failed else paths)
    write_json(run / "metrics.json", results)
    write_json(run / "provenance.json", {"train": _RECORD, "sample": _RECORD, "evaluate": _RECORD})
    lines = ["step,train_loss,val_loss,seconds_coupling,seconds_step,seconds_validation,val_w2,val_frechet"]
    lines += [
        f"{step},{rng.random() + 1},{rng.random() + 1},1.0,2.0,1.0,{rng.random()},{rng.random()}"
        for step in (10, 20, 30)
    ]
    write_text(run / "train.csv", "\n".join(lines) + "\n")


def _write_figures(config: Config) -> None:
    """A picture for every figure but `runtime`, which is not drawn."""
    for name, figure in config.experiments["toy2d"].figures.items():
        each = kind_of(figure).per_dataset
        for dataset in datasets_shown(config, "toy2d", figure) if each else (None,):
            for suffix in kind_of(figure).suffixes if name != "runtime" else ():
                path = config.layout.figure("toy2d", name, dataset, suffix)
                path.parent.mkdir(parents=True, exist_ok=True)
                if suffix == "md":
                    path.write_text(f"{figure.caption}\n\nData: some & more. Seed 42.\n")
                elif suffix != "pdf":
                    Image.new("RGB", (300, 200), "white").save(path)
