"""`model.safetensors`: the networks of one run, with what is known of their training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from cfm.artifacts.layout import MODEL
from cfm.errors import UserError
from cfm.files import read_tensors, write_tensors
from cfm.methods.base import Method
from cfm.nets.stacked import load as load_layers
from cfm.settings import Training


@dataclass(frozen=True)
class Model:
    """The named layers of a trained network with what is known of its training."""

    layers: dict[str, Tensor]
    failure: str | None
    train_seconds: float
    learning_w2: float | None
    provenance: dict[str, object]
    path: Path | None = None

    def network(self, method: Method, settings: Training, dim: int) -> nn.Module:
        """The network, with leading axis S = 1; `UserError` if the layers are not those of this method."""
        net = method.network(1, dim, settings)
        try:
            load_layers(net, 0, self.layers)
        except (KeyError, RuntimeError) as error:
            raise UserError(f"{self.path}: damaged (not this method's network: {error})") from None
        return net.eval()


def load_model(run: Path, settings: Training) -> Model:
    """The checkpoint that the settings ask for, from the folder of a run."""
    path = run / MODEL
    tensors, metadata = read_tensors(path)
    prefix = f"{settings.checkpoint}."
    layers = {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
    try:
        learning_w2 = float(metadata["learning_w2"]) if metadata["learning_w2"] else None
        seconds, provenance = float(metadata["train_seconds"]), dict(json.loads(metadata["provenance"]))
        return Model(layers, metadata["failure"] or None, seconds, learning_w2, provenance, path)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: damaged (not as trained models are); delete it and run again") from None


def save_model(
    run: Path, model: Model, networks: Mapping[str, Mapping[str, Tensor]], spec: str, seed: int, best_step: int
) -> None:
    """Write named layers by checkpoint ("best", "last", ...), with what is known of the training, there."""
    metadata = {
        "spec": spec,
        "seed": str(seed),
        "failure": model.failure or "",
        "best_step": str(best_step),
        "train_seconds": repr(model.train_seconds),
        "learning_w2": "" if model.learning_w2 is None else repr(model.learning_w2),
        "provenance": json.dumps(model.provenance),
    }
    tensors = {f"{which}.{name}": x for which, layers in networks.items() for name, x in layers.items()}
    write_tensors(run / MODEL, tensors, metadata)
