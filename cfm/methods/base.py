"""The interface of a method: how it pairs points, what it minimises, how it transports points.

A method family is one file in this folder that ends with `METHOD = ItsClass`; the dataclass fields of the
class are its hyper-parameters in config/methods.yaml. Do not import torch at the top of the file: the
configuration is checked before any job starts, and torch alone takes a second to load.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cfm.datasets.base import Dataset, Prepared
from cfm.errors import UserError
from cfm.settings import Solver, Training
from cfm.types import Indices, Points

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cfm.couplings.assignment import Potentials
    from cfm.paths import Path
    from cfm.solvers.ode import Field
    from cfm.solvers.trajectory import LogDensity, Trajectory


@dataclass(frozen=True)
class Batch:
    """Paired training points of S seeds: `x0, x1, eps` of shape (S, B, dim), `t` of shape (S, B, 1).

    In a time course `t` in (0, 1) is the time within the pair's own interval, which begins at `start` and takes
    `length`, both of the shape of `t`; None where there is one interval from 0 to 1. `label`: the classes of `x1`, of
    the shape of `t`; None for methods without classes.
    """

    x0: Tensor
    x1: Tensor
    t: Tensor
    eps: Tensor
    start: Tensor | None = None
    length: Tensor | None = None
    label: Tensor | None = None

    def velocity(self, net: nn.Module, xt: Tensor) -> Tensor:
        """Of the network at points (S, B, dim), at their times and for their classes."""
        found: Tensor = net(self.time, xt) if self.label is None else net(self.time, xt, self.label)
        return found

    @property
    def time(self) -> Tensor:
        """When it is, for the network: start + length t."""
        if self.start is None or self.length is None:
            return self.t
        return self.start + self.length * self.t

    def rate(self, ut: Tensor) -> Tensor:
        """A velocity within the interval, d/dt, per unit of the network's time: ut / length."""
        return ut if self.length is None else ut / self.length

    def snapshots(self) -> tuple[list[tuple[float, Tensor]], float]:
        """The observed points with their times, [(t, (S, n_t, dim)), ...], and the time of a normal prior before them.

        Without a time course that is the target at t = 1, and 0, where the source is.
        """
        if self.start is None or self.length is None:
            return [(1.0, self.x1)], 0.0
        starts, counts = self.start[0, :, 0].unique_consecutive(return_counts=True)
        bounds = [0, *counts.cumsum(0).tolist()]
        found = [(float(starts[0]), self.x0[:, : bounds[1]])]
        for begin, end in itertools.pairwise(bounds):
            found.append((float(self.start[0, begin, 0] + self.length[0, begin, 0]), self.x1[:, begin:end]))
        return found, found[0][0] - 1

    def per_seed(self, compute: Callable[[Tensor, Tensor, Tensor, Tensor], Sequence[Tensor]]) -> list[Tensor]:
        """`compute(x0, x1, t, eps)` of each seed by itself, its results stacked.

        For sin, exp and the like, whose rounding in the odd rest of a vector register would otherwise depend
        on the number of seeds.
        """
        import torch

        seeds = zip(self.x0, self.x1, self.t, self.eps, strict=True)
        return [torch.stack(parts) for parts in zip(*(compute(*seed) for seed in seeds), strict=True)]


@dataclass(frozen=True)
class Start:
    """What a sampler starts from: the points `x0` (n, dim), the data set, and the run's own random stream.

    The data set is None where half-trained networks are looked at; only controls need it, and the prepared samples.
    `labels` (n, 1): the classes that the points are to become, if there are any.
    """

    x0: Points
    dataset: Dataset | None
    rng: np.random.Generator
    data: Prepared | None = None
    labels: Points | None = None

    @property
    def span(self) -> tuple[float, float]:
        """From when to when the points are carried."""
        return (0.0, 1.0) if self.data is None else self.data.span

    @property
    def tells_density(self) -> bool:
        """Do the points come from N(0, I) at t = 0 and go to t = 1, so that their density is known along the way?"""
        return self.data is not None and self.data.from_noise


@dataclass(frozen=True)
class Method:
    """A method with its hyper-parameters.

    `net` is what `network` made: a module whose parts are `cfm.nets.stacked.Stacked`, all of S seeds (in training)
    or of one (else).
    """

    trained: ClassVar[bool] = True  # False: `sample` needs no network (controls)
    # The method of the same experiment whose trained network this one starts from.
    teacher: ClassVar[str | None] = None
    # Does one network learn all intervals of a time course? If not, the method sees the one that it is tested in.
    time_course: ClassVar[bool] = False

    @property
    def conditional(self) -> bool:
        """Is the network told the class of a point?"""
        return False

    def on(self, dataset: Dataset) -> Method:
        """The method as it is on a data set, with what it takes from the data set's settings."""
        return self

    @property
    def couples_within_classes(self) -> bool:
        """Are points coupled class by class?"""
        return False

    @property
    def conditional_path(self) -> Path | None:
        """The path p_t(x | z) whose velocity is regressed, for methods that do so."""
        return None

    def skip_reason(self, dataset: Dataset) -> str | None:
        """Why the method cannot run on `dataset`, in a few words; None if it can."""
        return None

    def network(self, stack: int, dim: int, settings: Training) -> nn.Module:
        """The networks of a stack of seeds, not initialised; by default a velocity field."""
        return velocity_network(stack, dim, settings)

    def potentials(self, x0: Points, x1: Points) -> Potentials | None:
        """What `couple` may know of the two distributions, from one sample of each: dual potentials or nothing."""
        return None

    def couple(
        self, x0: Points, x1: Points, rng: np.random.Generator, potentials: Potentials | None = None
    ) -> tuple[Indices, Indices]:
        """Index pairs (i, j) of one seed's batch; the training pairs are (x0[i], x1[j]). By default as they come."""
        every = np.arange(len(x0))
        return every, every

    def refresh_steps(self, steps: int) -> Sequence[int]:
        """The steps before which `generate_pairs` draws the pairs that are trained on from there."""
        return ()

    def generate_pairs(self, net: nn.Module, data: Prepared, seed: int, step: int, steps: int) -> Prepared:
        """Pairs that one seed's network makes before a step of so many; sources and targets in the same order."""
        raise NotImplementedError

    def trained_part(self, step: int, steps: int) -> str:
        """The part of the network that a step, of so many, trains; '' is all of it."""
        return ""

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        """The objective of every seed on its batch, shape (S,), for the part of the network that is trained."""
        raise NotImplementedError

    def validation_loss(self, net: nn.Module, batch: Batch) -> Tensor:
        """What the best checkpoint has least of, shape (S,)."""
        return self.loss(net, batch)

    def velocity(self, net: nn.Module) -> Field:
        """The field v(t, x) of the ODE that samples."""
        return net

    def log_density(
        self, net: nn.Module | None, x: Points, solver: Solver, rng: np.random.Generator
    ) -> LogDensity | None:
        """Of the generated distribution at points (n, dim), the source being N(0, I); None where it is not known.

        By default that of the ODE's flow, for fields whose derivatives are at hand.
        """
        from cfm.nets.mlp import StackedMLP
        from cfm.solvers.likelihood import pull_back_density

        field = None if net is None else self.velocity(net)
        if not isinstance(field, StackedMLP):
            return None
        return pull_back_density(field, x, solver, rng, field.theta.device)

    def view(self, data: Prepared) -> Prepared:
        """What the method is given of a data set."""
        return data if self.time_course else data.around_span()

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory:
        """The points of `start` carried along its span, by default by the ODE dx/dt = velocity(net)(t, x).

        With their log density where the solver takes the divergence along and it can be known; raises RunFailed.
        """
        from cfm.nets.mlp import StackedMLP
        from cfm.solvers.likelihood import push_forward
        from cfm.solvers.transport import carry

        assert net is not None
        field, device = self.velocity(net), next((theta.device for theta in net.parameters()), "cpu")
        if solver.divergence and start.tells_density and isinstance(field, StackedMLP):
            return push_forward(field, start.x0, solver, start.rng, device)
        return carry(field, start.x0, solver, start.span, start.labels if self.conditional else None, device)


def velocity_network(stack: int, dim: int, settings: Training, classes: int = 0) -> nn.Module:
    """The velocity field that the settings ask for: a U-Net for pictures, else a perceptron."""
    if settings.unet is not None:
        from cfm.nets.pictures import PictureField

        return PictureField(stack, dim, settings, classes)
    if classes:
        raise UserError("a method that is told the classes needs a U-Net: `train` has no 'unet'")
    from cfm.nets.mlp import StackedMLP

    return StackedMLP(stack, dim, settings.width, settings.depth)
