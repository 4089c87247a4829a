"""The settings of one experiment as frozen dataclasses: what the files in config/ may say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

# Stands in the place of a solver for what is measured on training pairs.
PAIRS = "pairs"


@dataclass(frozen=True)
class Sizes:
    """Number of points per split: train, validation, test, and the large test set of the follow-up paper."""

    train: int
    val: int
    test: int
    test_large: int


# Marks a setting that came after the first results: where it is not given, specifications do not name it, so that the
# results of those who do not use it stay valid.
LATER = {"later": True}


def formerly(name: str) -> dict[str, str]:
    """Marks a setting that had another name: files may still say that one, and specifications do, so that results and
    kept runs stay valid."""
    return {"formerly": name}


@dataclass(frozen=True)
class UNetSettings:
    """A U-Net for pictures, in place of the perceptron; `width` are its channels, `depth` its blocks at a resolution.

    `multipliers` of the channels at every resolution, the sides of the pictures where it attends (`attention`), the
    channels of a head, and dropout. `patch`: squares of so many pixels a side are taken for channels, which makes large
    pictures cheap. `fast`: compiled, channels last, and in training bfloat16 where that is enough; for a GPU.
    """

    multipliers: tuple[int, ...]
    attention: tuple[int, ...]
    head_channels: int
    dropout: float = 0.0
    patch: int = 1
    fast: bool = False


@dataclass(frozen=True)
class Training:
    """Network and optimiser (AdamW) of one experiment.

    `warmup`: steps over which the learning rate grows from zero; `max_grad_norm`: what gradients are clipped to;
    `ema_decay`: of an exponential moving average of the parameters, which is what is then looked at and, with the
    checkpoint `average`, sampled from; `random_flip`: pictures are mirrored at random.
    """

    width: int
    depth: int
    batch_size: int
    steps: int
    learning_rate: float
    weight_decay: float
    validate_every: int
    betas: tuple[float, float] = (0.9, 0.999)
    checkpoint: Literal["best", "last", "average"] = "best"
    unet: UNetSettings | None = field(default=None, kw_only=True, metadata=LATER)
    warmup: int | None = field(default=None, kw_only=True, metadata=LATER)
    max_grad_norm: float | None = field(default=None, kw_only=True, metadata=LATER | formerly("clip"))
    ema_decay: float | None = field(default=None, kw_only=True, metadata=LATER | formerly("average"))
    random_flip: bool | None = field(default=None, kw_only=True, metadata=LATER | formerly("flip"))


@dataclass(frozen=True)
class Solver:
    """An ODE solver from t = 0 to 1: `steps` for fixed schemes, `tolerance` (atol = rtol) for dopri5.

    `points`: carry only the test set along, or all evaluation points (test and large test set). `divergence`: how the
    divergence is taken that tells log densities, which are not computed unless it is given. `batch`: points are solved
    in batches of so many, and only the ends of their paths are kept.
    """

    scheme: Literal["euler", "midpoint", "rk4", "dopri5"]
    steps: int | None = None
    tolerance: float | None = None
    points: Literal["test", "all"] = "test"
    divergence: Literal["exact", "hutchinson"] | None = None
    batch: int | None = field(default=None, kw_only=True, metadata=LATER)


def widest(solvers: Iterable[Solver]) -> Literal["test", "all"]:
    """The points that are needed for all of some solvers: `all` where one carries the large test set too."""
    return "all" if any(solver.points == "all" for solver in solvers) else "test"


JacobianNorm = Literal["squared_frobenius", "root_mean_square"]


@dataclass(frozen=True)
class Table:
    """A table: its kind (a module of cfm/results/tables), the solver, our metrics by the paper's name, its place.

    `differs`: what else the published values were measured on than ours, at any budget, so that nothing is said of
    their agreement.
    """

    kind: str
    caption: str
    solver: str | None = None
    metrics: dict[str, str] = field(default_factory=dict)
    paper: str | None = None
    differs: str | None = field(default=None, kw_only=True, metadata=LATER)


@dataclass(frozen=True)
class Figure:
    """A figure, for each data set or for all as its kind (a module of cfm/results/figures) has it, and its caption.

    What a kind may need: the solver whose samples or numbers it shows, the metrics, the hyper-parameter on its
    horizontal axis (`over`), and the methods (all trained ones of the experiment unless given).
    """

    kind: str
    caption: str
    solver: str | None = None
    metrics: tuple[str, ...] = ()
    over: str | None = None
    methods: tuple[str, ...] = ()


@dataclass(frozen=True)
class Objective:
    """How the variance of the regression target is estimated: conditionals from so many batches, at so many points
    and times."""

    batch_size: int
    batches: int
    points: int
    times: int


@dataclass(frozen=True)
class Experiment:
    """One table or figure group of the paper: data sets x methods x seeds, and what is measured.

    Its methods are the entries of methods.yaml that name it under `experiments`, or of those the ones in `methods`;
    `train_of` says what in `train` is different for one of them. `large_test`: those that solvers with `points: all`
    carry over the large test set too, all unless given. With `objective` nothing is trained or sampled: the regression
    target is measured. `gpu`: it is left out where there is none, since it would take months. `on_request`: it is left
    out of runs that do not name it in EXPERIMENTS.
    """

    title: str
    datasets: tuple[str, ...] = ()
    methods: tuple[str, ...] = field(default=(), metadata=formerly("only"))
    seeds: tuple[int, ...] = ()
    seeds_per_job: int = 5
    sizes: Sizes | None = None
    train: Training | None = None
    train_of: dict[str, Training] = field(default_factory=dict)
    solvers: dict[str, Solver] = field(default_factory=dict)
    large_test: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    objective: Objective | None = None
    gpu: bool = False
    on_request: bool = field(default=False, metadata=formerly("by_name"))
    tables: dict[str, Table] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class Main:
    """config/config.yaml: where results go, which experiments run, on which device, the cores of a training job (more
    than one: processes draw and couple ahead of the network), and the GPUs of one that needs a GPU."""

    results: str
    experiments: tuple[str, ...]
    device: Literal["auto", "cpu", "cuda"] = "auto"
    coupling_workers: int = field(default=1, metadata=formerly("threads"))
    gpus: int = 1


@dataclass(frozen=True)
class Entry:
    """What every entry of methods.yaml and datasets.yaml has, besides the settings of its family.

    `label` is shown; `paper` is the name in config/paper.yaml; `experiments` says where the method takes part, or the
    data set, beside those that the experiment's file names. `citation` and `licence` are for the reader.
    """

    label: str
    family: str
    paper: str | None = None
    experiments: tuple[str, ...] = ()
    citation: str | None = None
    licence: str | None = None
