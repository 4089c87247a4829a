"""JSON schema of what config/ may say, for editors; `python -m cfm schema` prints it."""

from __future__ import annotations

from typing import Any

from cfm.config.entries import MANY
from cfm.config.registry import dataset_family, families, method_family
from cfm.config.strict import Where
from cfm.config.strict import schema as describe
from cfm.settings import Experiment, Main


def schema() -> dict[str, Any]:
    """JSON schema of an experiment file and of config.yaml, written to config/schema.json."""
    kinds = {"config": Main, "experiment": Experiment}
    here = Where("schema")
    kinds |= {f"methods/{name}": method_family(name, here) for name in families("methods")}
    kinds |= {f"datasets/{name}": dataset_family(name, here) for name in families("datasets")}
    described = {name: describe(kind) for name, kind in kinds.items()}
    for description in described.values():
        for key in description["properties"].keys() & MANY:
            one = description["properties"][key]
            description["properties"][key] = {"anyOf": [one, {"type": "array", "items": one}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": described}
