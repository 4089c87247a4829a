"""`python -m cfm check-method NAME`: does a method keep the contract? One line for each check."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

from cfm import config as configuration
from cfm.cli.checks.entry import documented, runs_somewhere
from cfm.cli.checks.samples import learns, samples_are_paths
from cfm.cli.checks.training import alone_or_stacked, loss_is_differentiable, resumes, seeds_decide
from cfm.cli.checks.trial import NotApplicable, Trial
from cfm.config.strict import Where, check_name
from cfm.errors import RunFailed, UserError, one_line

CHECKS: dict[str, Callable[[Trial], None]] = {
    "documentation": documented,
    "data sets": runs_somewhere,
    "loss": loss_is_differentiable,
    "random numbers": seeds_decide,
    "samples": samples_are_paths,
    "stack of seeds": alone_or_stacked,
    "resuming": resumes,
    "learning": learns,
}


def check_method(budget: str, name: str) -> int:
    """Print what became of every check of an entry of methods.yaml; 1 if one failed. `UserError` if there is none."""
    try:
        config = configuration.load(budget)
    except UserError as error:
        _say("entry", f"failed: {error}")
        return 1
    check_name(name, config.methods, "method", Where("check-method"))
    _say("entry", "ok")
    trial, failed = Trial.of(config, name), False
    for label, check in CHECKS.items():
        outcome = outcome_of(check, trial)
        failed |= outcome.startswith("failed")
        _say(label, outcome)
    return int(failed)


def outcome_of(check: Callable[[Trial], None], trial: Trial) -> str:
    """What became of a check, in one line: `ok`, or `failed` or `not applicable` with the reason."""
    try:
        check(trial)
    except NotApplicable as reason:
        return f"not applicable: {reason}"
    except (UserError, RunFailed) as error:
        return f"failed: {error}"
    except Exception as error:  # whatever the method's own code raises
        return one_line(f"failed: {type(error).__name__}: {error} ({_place(error)})")
    return "ok"


def _say(label: str, outcome: str) -> None:
    print(f"{label:15s} {outcome}", flush=True)


def _place(error: Exception) -> str:
    """The last line of a method's file, or else of any, on the way to an error."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parts[-3:-1] == ("cfm", "methods")]
    place = (own or frames)[-1]
    return f"{Path(place.filename).name}, line {place.lineno}"
