"""The distance of every method's marginals from the true bridge's against time, for one data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cfm.config import Config
from cfm.files import read_arrays
from cfm.metrics.bridge import error_over_time
from cfm.results.figures._flows import first_samples
from cfm.results.figures._panels import WIDTH, legend, narrow, styles
from cfm.results.figures.base import Kind, methods_shown
from cfm.settings import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_EVERY = 2  # times between markers


def draw(config: Config, experiment: str, settings: Figure, dataset: str | None) -> Canvas:
    """A line per method, first seed; one that failed has none."""
    from matplotlib import pyplot

    assert dataset is not None
    known = read_arrays(config.layout.data(experiment, dataset))
    figure, axis = pyplot.subplots(figsize=(WIDTH, 3.4))
    figure.set_layout_engine("constrained")
    style = styles(config, experiment, settings)
    for method in methods_shown(config, experiment, settings, dataset):
        stored = first_samples(config, experiment, settings, dataset, method)
        label = config.methods[method].entry.label
        if "failure" in stored:
            axis.plot([], [], label=f"{label}: failed", **style[method])
            continue
        errors = error_over_time(stored["t"], stored["trajectory"], known)
        assert errors is not None
        axis.plot(
            known["bridge_t"], errors, label=label, markevery=_EVERY, markersize=3.5, linewidth=1.2, **style[method]
        )
    measure = "W2 to the bridge's marginal" if "bridge_paths" in known else "KL from the bridge's marginal (nats)"
    axis.set(xlabel="time t", ylabel=narrow(measure), xlim=(-0.02, 1.02), title=config.datasets[dataset].entry.label)
    axis.set_ylim(bottom=0)
    legend(figure)
    return figure


FIGURE = Kind(draw, shows="samples", plane=False)
