"""Table 1: the variants of conditional flow matching, read off the paths and couplings that are run."""

from __future__ import annotations

from cfm.config import Config
from cfm.couplings.minibatch import COUPLINGS
from cfm.methods.flow_matching import FlowMatching
from cfm.paths import PATHS
from cfm.results.tables.base import Grid, Rendered
from cfm.settings import Table

_COLUMNS = (
    "method",
    "q(z)",
    "mean μ_t(z)",
    "σ_t",
    "conditional OT",
    "marginal OT",
    "general source",
    "path defined in",
)


def render(config: Config, experiment: str, table: Table) -> Rendered:
    """One row per flow-matching entry of methods.yaml that names the experiment."""
    import pandas as pd

    rows = [
        (config.methods[name].entry.label, *describe(method))
        for name in config.methods_of(experiment)
        if isinstance(method := config.methods[name].method, FlowMatching)
    ]
    csv: str = pd.DataFrame(rows, columns=list(_COLUMNS)).to_csv(index=False)
    notes = (
        "Conditional OT: the path's mean goes from one end to the other in a straight line at constant speed. "
        "Marginal OT: so does the flow of the whole distribution, in the limit of large batches; 'entropic': "
        "its marginals are those of the Schrödinger bridge.",
    )
    return Rendered(csv, [Grid("", _COLUMNS, rows)], notes)


def describe(method: FlowMatching) -> tuple[str, ...]:
    """q(z), mean, width, conditional OT, marginal OT, general source, equation of one variant."""
    path, coupling = PATHS[method.path], COUPLINGS[method.coupling]
    return (
        coupling.formula if path.general_source else "q(x1)",
        path.mean_formula,
        "0" if method.sigma == 0 and path.std_formula == "σ" else path.std_formula,
        "yes" if path.conditional_ot else "no",
        coupling.marginal_ot,
        "yes" if path.general_source else "no",
        path.equation,
    )
