"""`python -m cfm --help`: the verbs by what one does with them."""

from __future__ import annotations

from collections.abc import Mapping

GROUPS = {
    "Run the benchmark": ("reproduce", "status", "fetch"),
    "See what there is": ("list", "show", "report", "compare", "reference"),
    "Add your own": ("new-method", "check-method", "check", "schema"),
    "One cell of a table by hand, in this order": (
        *("data", "source-target", "train", "sample", "external", "evaluate", "objective", "carry"),
    ),
    "What is made of all runs": ("collect", "table", "figure", "claims"),
}
_OTHERS = "Others"


def grouped(verbs: Mapping[str, str]) -> str:
    """The verbs with their one line each, by group; those of no group come last."""
    of_a_group = {verb for names in GROUPS.values() for verb in names}
    groups = {**GROUPS, _OTHERS: tuple(verb for verb in verbs if verb not in of_a_group)}
    blocks = [
        "\n".join([f"{title}:", *(f"  {verb:14s} {verbs[verb]}" for verb in names if verb in verbs)])
        for title, names in groups.items()
        if any(verb in verbs for verb in names)
    ]
    return "\n\n".join([*blocks, "`python -m cfm VERB --help` says what a verb takes; `make help` what make does."])
