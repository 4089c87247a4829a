"""Reading a run's folder for use from Python (`cfm.load`): nothing but the folder and the data above it is needed."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from cfm.artifacts.layout import MODEL, SPEC
from cfm.artifacts.model import Model, load_model
from cfm.config.registry import method_family
from cfm.config.strict import Where, build, check_name
from cfm.errors import UserError
from cfm.files import read_json, read_tensors
from cfm.methods.base import Method
from cfm.settings import Solver, Training
from cfm.stages.loaded import LoadedRun
from cfm.stages.run_data import RunData


def load(run: str | os.PathLike[str], checkpoint: str | None = None, device: str = "cpu") -> LoadedRun:
    """The run in a folder, see `cfm.load`; `UserError` in one line if there is none that could be used."""
    folder = Path(run).expanduser().resolve()
    _check_device(device)
    if not (folder / MODEL).is_file():
        return _untrained(folder, checkpoint)
    tensors, metadata = read_tensors(folder / MODEL)
    where, spec = Where(str(folder / MODEL)), _spec(folder / MODEL, metadata.get("spec", ""))
    method, settings = _method(spec, where), build(Training, spec.get("train"), where / "train")
    seed = metadata.get("seed", "")
    if metadata.get("failure"):
        raise UserError(f"{folder}: this run failed, there is no network: {metadata['failure']}")
    if not re.fullmatch(r"\d{1,18}", seed):
        raise UserError(f"{folder / MODEL}: damaged (its seed is no number); delete it and run again")
    kept = dict.fromkeys(name.split(".")[0] for name in tensors)
    settings = replace(settings, checkpoint=_checkpoint(checkpoint, kept, settings, where))
    model = load_model(folder, settings)
    data = RunData(folder, spec, _data_digest(model))
    net = model.network(method, settings, data.view(method).dim).to(device)
    return LoadedRun(folder, method, settings.checkpoint, net, _solvers(folder), int(seed), data)


def _untrained(folder: Path, checkpoint: str | None) -> LoadedRun:
    """A control, whose folder has no network; or what the folder is instead of a run."""
    if not folder.is_dir():
        raise UserError(
            f"{folder}: there is no such folder; a run is RESULTS/BUDGET/EXPERIMENT/DATASET/METHOD/seed=N, made by "
            "`make reproduce`; those that are kept in results/reference have no networks"
        )
    if not (folder / SPEC).is_file():
        inside = sorted(path.name for path in folder.glob("seed=*"))
        hint = f"choose one of its runs: {', '.join(inside[:12])}" if inside else "`make reproduce` trains it"
        raise UserError(f"{folder}: no run, it has no {MODEL}; {hint}")
    where, spec = Where(str(folder / SPEC)), read_json(folder / SPEC)
    method = _method(spec, where)
    if method.trained:
        kind = "is made by a program outside this package" if _family(spec, where) == "external" else "is not here"
        raise UserError(f"{folder}: no {MODEL}: the network of this run {kind}; its samples are in samples/")
    if checkpoint is not None:
        raise UserError(f"{folder}: a control without a network has no checkpoint '{checkpoint}'")
    seed = re.fullmatch(r"seed=(\d{1,18})", folder.name)
    if seed is None:
        raise UserError(f"{folder}: the folder of a control is named seed=N, which tells its seed")
    return LoadedRun(folder, method, None, None, _solvers(folder), int(seed[1]), RunData(folder, spec, None))


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise UserError(f"device '{device}' cannot be used: {str(error).splitlines()[0]}") from None


def _spec(path: Path, text: str) -> dict[str, Any]:
    try:
        spec = json.loads(text)
        if isinstance(spec, dict):
            return spec
    except (ValueError, RecursionError):
        pass
    raise UserError(f"{path}: damaged (its settings are no JSON object); delete it and run again")


def _family(spec: dict[str, Any], where: Where) -> str:
    entry = spec.get("method")
    if not isinstance(entry, dict) or not isinstance(entry.get("family"), str):
        raise UserError(f"{where}: damaged (no method with a family); delete it and run again")
    return str(entry["family"])


def _method(spec: dict[str, Any], where: Where) -> Method:
    family = method_family(_family(spec, where), where / "method")
    hyper_parameters = {key: value for key, value in spec["method"].items() if key != "family"}
    return build(family, hyper_parameters, where / "method")


def _checkpoint(asked: str | None, kept: dict[str, None], settings: Training, where: Where) -> Any:
    name = settings.checkpoint if asked is None else asked
    return check_name(str(name), kept, "checkpoint", where)


def _solvers(folder: Path) -> dict[str, Solver]:
    """The solvers of the run's experiment by name, which are known once it is evaluated."""
    if not (folder / SPEC).is_file():
        return {}
    where, found = Where(str(folder / SPEC)) / "solvers", read_json(folder / SPEC).get("solvers", {})
    if not isinstance(found, dict):
        raise UserError(f"{where}: damaged (solvers by name are expected); delete it and run again")
    return {str(name): build(Solver, value, where / name) for name, value in found.items()}


def _data_digest(model: Model) -> str | None:
    found = model.provenance.get("data_sha256")
    return found if isinstance(found, str) else None
