"""What a number is given for: a data set, the mean over the times that a time course leaves out, or over all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.config import Config
from cfm.results.labels import dataset_label

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"  # the mean over all data sets, where the paper gives it (training time)


@dataclass(frozen=True)
class Column:
    """A data set, or several that are averaged, with the label that is shown and the name in config/paper.yaml."""

    name: str
    label: str
    members: tuple[str, ...]
    paper: str | None

    def skip_reason(self, config: Config, method: str) -> str | None:
        """Why the method has no number here; None if it has one."""
        return None if self.name == ALL else config.skip_reason(self.members[0], method)

    def by_seed(self, runs: pd.DataFrame, method: str, metric: str) -> dict[int, float]:
        """The method's values of a metric by seed; of several data sets their mean, of seeds that have them all.

        The mean over all data sets is over those that the method can run on.
        """
        mine = runs[(runs.method == method) & (runs.metric == metric) & runs.dataset.isin(self.members)]
        seeds = mine.groupby("seed").value
        complete = seeds.count() == (mine.dataset.nunique() if self.name == ALL else len(self.members))
        means = seeds.mean()[complete]
        return dict(zip(means.index.astype(int), means.astype(float), strict=True))


def columns(config: Config, experiment: str) -> list[Column]:
    """The data sets of an experiment, a time course's mean over its left-out times before them."""
    names = config.experiments[experiment].datasets
    found: dict[str, Column] = {}
    for name in names:
        named = config.datasets[name]
        group = named.group
        if group is not None and group not in found:
            members = tuple(n for n in names if config.datasets[n].group == group)
            found[group] = Column(group, f"{named.group_label}, mean", members, named.entry.paper)
        found[name] = Column(
            name, dataset_label(config, experiment, name), (name,), None if group else named.entry.paper
        )
    return list(found.values())


def column(config: Config, experiment: str, name: str) -> Column | None:
    """The column of a data set or group; None if the experiment goes without it on this machine."""
    return next((found for found in columns(config, experiment) if found.name == name), None)
