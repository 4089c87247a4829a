"""Ranks of the methods over data sets: one number per method and metric, with its uncertainty."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cfm.artifacts.runs import read_runs
from cfm.config import Config
from cfm.errors import UserError
from cfm.metrics import metric_of
from cfm.results.statistics import CONFIDENCE, half_width
from cfm.results.tables.base import Grid, Rendered
from cfm.settings import Table

if TYPE_CHECKING:
    import pandas as pd


def render(config: Config, experiment: str, table: Table) -> Rendered:
    """Mean rank of every trained method that ran on all data sets: 1 is best; a csv row per method and metric."""
    import pandas as pd

    runs = read_runs(config.layout.runs(experiment))
    runs = runs[(runs.solver == table.solver) & (runs.status == "ok")]
    for metric in table.metrics:
        if metric_of(metric).better is None:
            raise UserError(f"{metric}: {metric_of(metric).direction}, so methods have no rank in it")
    columns = {metric: ranks(config, experiment, runs, metric) for metric in table.metrics}
    found = pd.concat(columns, names=["metric"]).reset_index()
    known = [name for name in config.methods_of(experiment) if name in set(found.method)]
    rows = []
    for name in known:
        mine = found[found.method == name].set_index("metric")
        cells = [
            _cell(*mine.loc[metric, ["mean", "low", "high", "n"]]) if metric in mine.index else "—"
            for metric in table.metrics
        ]
        rows.append([config.methods[name].entry.label, *cells])
    notes = (
        "Rank among the trained methods that ran on every data set, 1 is best: averaged over the data sets for each "
        f"seed; mean over n seeds and its {CONFIDENCE:.0%} confidence interval (Student's t).",
    )
    return Rendered(found.to_csv(index=False), [Grid("mean rank", ["method", *table.metrics], rows)], notes)


def ranks(config: Config, experiment: str, runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """`mean`, `low`, `high` and `n` by method; no row if no seed has all its runs."""
    import pandas as pd

    datasets = config.experiments[experiment].datasets
    trained = [name for name in config.methods_of(experiment) if config.methods[name].method.trained]
    mine = runs[(runs.metric == metric) & runs.method.isin(trained)]
    values = mine.pivot_table(index=["seed", "dataset"], columns="method", values="value")
    everywhere = values.groupby("dataset").count().reindex(datasets).fillna(0).min() > 0
    # A seed counts if all its runs are there.
    values = values.loc[:, everywhere[everywhere].index].dropna()
    complete = values.groupby("seed").size() == len(datasets)
    values = values[values.index.get_level_values("seed").isin(complete[complete].index)]
    by_seed = values.map(metric_of(metric).badness).rank(axis=1).groupby("seed").mean()
    if by_seed.shape[1] < 2:  # alone there is no rank
        by_seed = by_seed.iloc[:, :0]
    mean, n = by_seed.mean(), by_seed.count()
    half = half_width(by_seed.std(), n)
    return pd.DataFrame({"mean": mean, "low": mean - half, "high": mean + half, "n": n}).rename_axis("method")


def _cell(mean: float, low: float, high: float, n: float) -> str:
    interval = "" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]"
    return f"{mean:.2f}{interval} (n={n:.0f})"
