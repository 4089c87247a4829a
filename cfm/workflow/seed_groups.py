"""What a workflow notes when it begins: which seeds share a process where that is not as config/ has it."""

from __future__ import annotations

from cfm.artifacts.groups import ANY, SOURCE_TARGET, write_groups
from cfm.config import Config


def note_groups(config: Config) -> None:
    """Write down the groups of seeds of all that a plan has, so that the next one keeps them."""
    for experiment, settings in config.experiments.items():
        cells = config.cells(experiment)
        planned = {f"{d}/{SOURCE_TARGET}": config.chunks(experiment, d) for d in settings.datasets}
        for dataset, method in config.pairs(experiment):
            place = ANY if config.methods[method].external else dataset
            planned[f"{place}/{method}"] = config.chunks(experiment, dataset, method)
        unusual = {key: groups for key, groups in planned.items() if not {*groups} <= {*cells}}
        write_groups(config.layout, experiment, unusual)
