"""JSON schema of what config/ may say, for editors; `python -m cfm schema` prints it."""

from __future__ import annotations

import importlib
from typing import Any

from cfm.config.entries import MANY
from cfm.config.registry import families
from cfm.config.strict import schema as describe
from cfm.settings import Experiment, Main


def schema() -> dict[str, Any]:
    """JSON schema of an experiment file and of config.yaml, written to config/schema.json."""
    kinds = {"config": Main, "experiment": Experiment}
    for package in ("methods", "datasets"):
        for family in families(package):
            module = importlib.import_module(f"cfm.{package}.{family}")
            kinds[f"{package}/{family}"] = getattr(module, "METHOD" if package == "methods" else "DATASET")
    described = {name: describe(kind) for name, kind in kinds.items()}
    for description in described.values():
        for key in description["properties"].keys() & MANY:
            one = description["properties"][key]
            description["properties"][key] = {"anyOf": [one, {"type": "array", "items": one}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": described}
