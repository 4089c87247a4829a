"""The caption of a figure: what config/ says it shows, and on which data, seeds and sizes it rests."""

from __future__ import annotations

from collections.abc import Sequence

from cfm.config import Config
from cfm.results.labels import dataset_label
from cfm.settings import Experiment, Figure, Training


def caption(
    config: Config,
    experiment: str,
    settings: Figure,
    dataset: str | None,
    seeds: tuple[int, ...],
    methods: Sequence[str],
) -> str:
    """Markdown of a few lines about a figure of these seeds and methods."""
    whole = config.experiments[experiment]
    names = whole.datasets if dataset is None else (dataset,)
    facts = [
        f"Data: {', '.join(dataset_label(config, experiment, name) for name in names)}.",
        f"{'Seed' if len(seeds) == 1 else 'Seeds'} {', '.join(map(str, seeds))}.",
        _sizes(config, whole, methods),
        f"Budget '{config.budget}', experiment '{experiment}'.",
    ]
    return "\n".join([settings.caption, "", " ".join(facts)]) + "\n"


def _sizes(config: Config, experiment: Experiment, methods: Sequence[str]) -> str:
    sizes, train = experiment.sizes, experiment.train
    parts = []
    if sizes is not None:
        parts.append(f"{sizes.train:,} training, {sizes.val:,} validation and {sizes.test:,} test points.")
    if train is not None:
        parts.append(_training("Trained for", train))
        for method, own in experiment.train_of.items():
            if method in methods and (own.steps, own.batch_size) != (train.steps, train.batch_size):
                parts.append(_training(f"{config.methods[method].entry.label}:", own))
    if experiment.objective is not None:
        parts.append(f"Batches of {experiment.objective.batch_size}.")
    return " ".join(parts)


def _training(words: str, train: Training) -> str:
    return f"{words} {train.steps:,} steps of batch {train.batch_size}."
