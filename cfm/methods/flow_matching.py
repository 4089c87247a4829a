"""Conditional flow matching: coupling x path x sigma, one regression objective (the paper's algorithms).

    L(theta) = E_{t, (x0, x1) ~ q, x ~ p_t(. | x0, x1)} | v_theta(t, x) - u_t(x | x0, x1) |^2

averaged over batch and coordinates, as PyTorch's mean squared error does. Which coupling, which path and
which sigma make I-CFM, OT-CFM, SB-CFM, FM, ... is written in config/methods.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from cfm.couplings.minibatch import COUPLINGS, Minibatch
from cfm.datasets.base import Dataset
from cfm.methods.base import Batch, Method, velocity_network
from cfm.paths import PATHS, Path
from cfm.settings import LATER, Training
from cfm.types import Indices, Points, flat

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cfm.couplings.assignment import Potentials


@dataclass(frozen=True)
class FlowMatching(Method):
    """A CFM variant: names of the coupling and the path, and the bandwidth sigma they share.

    `ot_batch`: the coupling is solved in blocks of so many points of the batch; in the whole batch unless given.
    `classes`: the network is told the class of the target point, one of so many, or of as many as the data have
    (`data`), and points are coupled within each class; or across them, by code that forgets the labels
    (`across_classes`), and then the source points that belong to a class are no longer normal, while those that the
    samplers start from are.
    """

    coupling: Literal["independent", "exact", "exact_resampled", "entropic", "entropic_float32"]
    path: Literal["linear", "brownian_bridge", "lipman", "trigonometric", "variance_exploding", "variance_preserving"]
    sigma: float
    ot_batch: int | None = field(default=None, kw_only=True)
    classes: int | Literal["data"] | None = field(default=None, kw_only=True, metadata=LATER)
    across_classes: bool | None = field(default=None, kw_only=True, metadata=LATER)

    time_course = True

    @property
    def conditional(self) -> bool:
        return self.classes is not None

    @property
    def couples_within_classes(self) -> bool:
        return self.conditional and not self.across_classes

    def network(self, stack: int, dim: int, settings: Training) -> nn.Module:
        assert self.classes != "data"  # `on` has told the number
        return velocity_network(stack, dim, settings, self.classes or 0)

    def on(self, dataset: Dataset) -> FlowMatching:
        return replace(self, classes=dataset.class_count) if self.classes == "data" else self

    @property
    def conditional_path(self) -> Path:
        """The path with its bandwidth."""
        return PATHS[self.path](self.sigma)

    def skip_reason(self, dataset: Dataset) -> str | None:
        if self.path == "variance_exploding":
            return "starts from noise that is 50 times wider than the source"
        if not PATHS[self.path].general_source and not dataset.gaussian_source:
            return "needs a standard normal source"
        if self.classes == "data" and not dataset.class_count:
            return "needs points of classes"
        if self.classes not in (None, "data", dataset.class_count):
            return f"needs points of {self.classes} classes"
        return None

    def potentials(self, x0: Points, x1: Points) -> Potentials | None:
        if not COUPLINGS[self.coupling].exact:
            return None
        from cfm.couplings.assignment import reference_potentials

        return reference_potentials(flat(x0), flat(x1))

    def couple(
        self, x0: Points, x1: Points, rng: np.random.Generator, potentials: Potentials | None = None
    ) -> tuple[Indices, Indices]:
        pairs, size = COUPLINGS[self.coupling].pairs, self.ot_batch or len(x0)
        blocks = [
            (first, pairs(Minibatch(x0[first : first + size], x1[first : first + size], self.sigma, potentials), rng))
            for first in range(0, len(x0), size)
        ]
        i, j = (np.concatenate([first + found[side] for first, found in blocks]) for side in (0, 1))
        return i, j

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        return squared_error(net, self.conditional_path, batch).mean(dim=(1, 2))


def squared_error(net: nn.Module, path: Path, batch: Batch) -> Tensor:
    """(v_theta(t, xt) - u_t(xt | x0, x1))^2 in every coordinate, shape (S, B, dim).

    On an interval of a time course that takes longer than one unit of time the velocity is that much smaller.
    """
    xt, ut = batch.per_seed(path.sample)
    return (batch.velocity(net, xt) - batch.rate(ut)).square()


METHOD = FlowMatching
