"""A run's folder made by hand: a network with layers of one's own choice on data of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cfm.artifacts.data import save
from cfm.artifacts.model import Model, save_model
from cfm.config.registry import method_family
from cfm.config.strict import Where, build
from cfm.datasets.base import Prepared
from cfm.fingerprint import canonical, file_digest
from cfm.methods.base import Method
from cfm.nets.stacked import initialise, named_layers, parts
from cfm.settings import Training

TRAINING = Training(width=8, depth=1, batch_size=8, steps=1, learning_rate=0.1, weight_decay=0, validate_every=1)
Layers = dict[str, torch.Tensor]
Change = Callable[[Layers], None]


def made_run(
    run: Path,
    method: dict[str, Any],
    dataset: dict[str, Any],
    data: Prepared,
    change: Change = lambda layers: None,
    training: Training = TRAINING,
    failure: str | None = None,
) -> Path:
    """Write `data.npz` and the model of `run`, .../DATASET/METHOD/seed=N, which is returned."""
    save(data, run.parents[1] / "data.npz")
    where = Where("made")
    found = build(method_family(method["family"], where), {k: v for k, v in method.items() if k != "family"}, where)
    spec = canonical({"dataset": dataset, "method": method, "train": training, "sizes": None})
    return made_model(run, found, data.dim, training, spec, change, failure)


def made_model(
    run: Path, method: Method, dim: int, training: Training, spec: str, change: Change, failure: str | None = None
) -> Path:
    """Write the model of a run whose data are there; `change` may set the layers of its network, drawn at random."""
    seed = int(run.name.removeprefix("seed="))
    net = method.network(1, dim, training)
    initialise(net, [seed])
    layers = named_layers(net, {name: part.theta[0].detach() for name, part in parts(net).items()})
    change(layers)
    networks = {} if failure else {which: {name: x.clone() for name, x in layers.items()} for which in ("best", "last")}
    model = Model({}, failure, 1.0, None, {"data_sha256": file_digest(run.parents[1] / "data.npz")})
    save_model(run, model, networks, spec, seed, 1)
    return run


def constant_velocity(*velocity: float) -> Change:
    """The field of a perceptron that is the same everywhere and at all times."""

    def change(layers: Layers) -> None:
        for layer in layers.values():
            layer.zero_()
        last = max((name for name in layers if name.endswith(".bias")), key=lambda name: int(name.split(".")[-2]))
        layers[last].copy_(torch.tensor(velocity))

    return change
