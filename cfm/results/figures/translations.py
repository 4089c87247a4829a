"""Faces before and after (the paper's Fig. 4): a row of pictures as the VAE has them, and one of each method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfm.config import Config
from cfm.files import read_arrays
from cfm.nets.autoencoder import decode
from cfm.pictures import mosaic
from cfm.results.figures._flows import first_samples, tell_failure
from cfm.results.figures._panels import WIDTH
from cfm.results.figures.base import Kind, methods_shown
from cfm.settings import Figure
from cfm.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_FACES = 12


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """The first test pictures without the attribute, first seed."""
    from matplotlib import pyplot

    assert dataset is not None
    data = read_arrays(config.layout.data(experiment, dataset))
    rows: dict[str, Array | str] = {"before": decode(data, data["test_0"][:_FACES])}
    for method in methods_shown(config, experiment, settings, dataset):
        stored = first_samples(config, experiment, settings, dataset, method)
        ends = str(stored["failure"]) if "failure" in stored else stored["trajectory"][-1, :_FACES]
        rows[config.methods[method].entry.label] = ends if isinstance(ends, str) else decode(data, ends)
    height = (WIDTH - 1.2) / _FACES * 1.04
    figure, axes = pyplot.subplots(len(rows), 1, figsize=(WIDTH, height * len(rows) + 0.4), squeeze=False)
    figure.set_layout_engine("constrained", h_pad=0.01, hspace=0.0)
    for axis, (label, row) in zip(axes[:, 0], rows.items(), strict=True):
        axis.set_axis_off()
        axis.text(-0.01, 0.5, label, ha="right", va="center", fontsize="small", transform=axis.transAxes)
        if isinstance(row, str):
            tell_failure(axis, row, width=80)
        else:
            axis.imshow(mosaic(row[None]), cmap="gray", vmin=0, vmax=1)
    figure.suptitle(config.datasets[dataset].entry.label, fontsize=11, x=0.01, horizontalalignment="left")
    return figure


FIGURE = Kind(draw, shows="samples", plane=False)
