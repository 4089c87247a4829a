"""Histogram of the importance weights of every model's samples, for one data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cfm.config import Config
from cfm.datasets.sampling.importance import effective_share, log_mean
from cfm.results.figures._flows import first_samples, tell_failure
from cfm.results.figures._panels import WIDTH, legend, styles
from cfm.results.figures.base import COLOURS, Kind, methods_shown
from cfm.settings import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_BINS = np.linspace(-3, 3, 61)  # of log10 of a weight; what lies beyond is in the first or last one


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """A line per method, first seed, with the effective share of its samples."""
    from matplotlib import pyplot

    assert dataset is not None
    figure, axis = pyplot.subplots(figsize=(WIDTH * 0.75, 2.8))
    figure.set_layout_engine("constrained")
    style = styles(config, experiment, settings)
    reasons = []
    methods = methods_shown(config, experiment, settings, dataset)
    for method in methods:
        stored = first_samples(config, experiment, settings, dataset, method)
        label = config.methods[method].entry.label
        log_w = np.empty(0) if "failure" in stored else stored["log_target"] - stored["log_density"]
        if not (log_w > -np.inf).any():
            reasons.append(str(stored.get("failure", "no sample lies in the support")))
            axis.plot([], [], color=style[method]["color"], linestyle=":", label=f"{label}: failed")
            continue
        share = effective_share(log_w)
        digits = np.clip((log_w - log_mean(log_w)) / np.log(10), _BINS[0], _BINS[-1])
        count, _ = np.histogram(digits, _BINS)
        axis.stairs(
            count / len(digits),
            _BINS,
            color=style[method]["color"],
            linewidth=1.4,
            label=f"{label}: {share:.0%} effective",
        )
    axis.axvline(0, color=COLOURS["grey"], linewidth=0.8, zorder=0)
    axis.set(xlabel="importance weight / mean, log10", ylabel="share of samples", xlim=(_BINS[0], _BINS[-1]))
    axis.set_title(config.datasets[dataset].entry.label)
    if len(reasons) == len(methods):
        tell_failure(axis, reasons[0], width=50)
    else:
        legend(figure)
    return figure


FIGURE = Kind(draw, shows="samples", plane=False)
