"""The figure of the benchmark: rates of training, and times of the exact coupling, against the batch size."""

from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd

from cfm.results.figures.base import SERIES, STYLE, plain_log, save


def draw(rates: pd.DataFrame, solver: pd.DataFrame, folder: Path) -> None:
    """Write `bench.png` and `bench.pdf`: a column per dimension; a row per method, and one for the solvers."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    methods, dims = rates["method"].unique(), rates["dim"].unique()
    sizes = sorted(rates["batch_size"].unique())
    with pyplot.rc_context(STYLE):
        shape = len(methods) + 1, len(dims)
        figure, axes = pyplot.subplots(*shape, figsize=(3 * shape[1], 2.3 * shape[0]), sharex=True, sharey="row")
        for row, method in zip(axes, methods, strict=False):
            for axis, dim in zip(row, dims, strict=True):
                cell = rates[(rates["method"] == method) & (rates["dim"] == dim)]
                lines = cell.groupby("what", sort=False)
                for style, (what, line) in zip(itertools.cycle(SERIES), lines, strict=False):
                    axis.plot(line["batch_size"], line["seed_steps_per_second"], label=what, markersize=4, **style)
                axis.set_title(f"{method}, {dim}-D")
            row[0].set_ylabel("seed-steps per second")
        for axis, dim in zip(axes[-1], dims, strict=True):
            cell = solver[solver["dim"] == dim]
            axis.plot(cell["batch_size"], cell["dense_ms"], label="ot.emd", color="#000000", marker="o", markersize=4)
            axis.plot(cell["batch_size"], cell["ours_ms"], label="ours", color="#D55E00", marker="v", markersize=4)
            axis.set_title(f"exact coupling, {dim}-D")
            axis.set_xlabel("batch size")
        axes[-1][0].set_ylabel("milliseconds")
        for axis in axes.flat:
            axis.set(xscale="log", yscale="log")
            axis.set_xticks(sizes, [str(size) for size in sizes])
            plain_log(axis.yaxis)
            axis.minorticks_off()
        axes[0][-1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, title="training")
        axes[-1][-1].legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, title="solver")
        figure.tight_layout()
        for suffix in ("png", "pdf"):
            save(figure, folder / f"bench.{suffix}")
        pyplot.close(figure)
