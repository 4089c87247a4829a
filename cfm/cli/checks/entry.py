"""What can be said of a method without running it: that it says what it is, and has data to run on."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys

from cfm.cli.checks.trial import NotApplicable, Trial
from cfm.errors import UserError


def documented(trial: Trial) -> None:
    """A module text, a class text, and for what is trained a formula and its source."""
    cls = type(trial.method)
    module, own = inspect.getdoc(sys.modules[cls.__module__]), cls.__doc__
    if not module:
        raise UserError(f"the file of {cls.__name__} has no docstring: say what the method is")
    if not dataclasses.is_dataclass(cls) or not own or own.startswith(f"{cls.__name__}("):
        raise UserError(f"{cls.__name__} has no docstring: say what its hyper-parameters are")
    if cls.trained and not re.search(r"= |E \||minimises", module):
        raise UserError("the docstring of the file has no equation: write down what is minimised, L(theta) = ...")
    if cls.trained and not re.search(r"paper|20\d\d", module):
        raise UserError("the docstring of the file has no reference: name the paper and its year")


def runs_somewhere(trial: Trial) -> None:
    """The method can run on a data set of its experiments."""
    if not trial.experiments:
        raise UserError("takes part in no experiment of config.yaml: add `experiments: [toy2d]` to its entry")
    if not trial.skip_reasons:
        raise NotApplicable("its experiments have no data sets")
    if None not in trial.skip_reasons.values():
        name, reason = next(iter(trial.skip_reasons.items()))
        raise UserError(
            f"cannot run on any data set of its experiments ({name}: {reason}): name another experiment in its entry, "
            "or mend `skip_reason`"
        )
