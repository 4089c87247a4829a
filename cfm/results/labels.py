"""What a data set is called where numbers are shown: with the name that its file gives to the time left out."""

from __future__ import annotations

from cfm.artifacts.data import time_labels
from cfm.config import Config
from cfm.datasets.reading.columns import as_number
from cfm.datasets.snapshots import Snapshots


def dataset_label(config: Config, experiment: str, dataset: str) -> str:
    """The label of a data set: "my cells, day 8 left out".

    Where its prepared data are not kept, and where the file counts its times 0, 1, ... as we do, it is that of config/,
    which of several left-out times says "t=1 left out".
    """
    named = config.datasets[dataset]
    cells = named.dataset
    if not isinstance(cells, Snapshots) or cells.left_out is None:
        return named.entry.label
    labels = time_labels(config.layout.data(experiment, dataset))
    if cells.left_out >= len(labels) or labels == tuple(map(str, range(len(labels)))):
        return named.entry.label
    left_out = labels[cells.left_out]
    if not left_out.isprintable() or "$" in left_out:  # as it is asked of labels in config/
        return named.entry.label
    return f"{named.group_label or named.entry.label}, {named_time(cells.labels, left_out)} left out"


def named_time(column: str, label: str) -> str:
    """A label that is a mere number with the column that it is of."""
    return f"{column} {label}" if as_number(label) is not None else label
