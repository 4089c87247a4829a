"""The two kinds of failure that are not bugs, and how they are worded."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def one_line(text: str) -> str:
    """The text with what would break a line or steer a terminal written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class UserError(Exception):
    """Something the user can mend; its text is one line that says what and where. Ends the command."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))


class RunFailed(Exception):
    """One run failed for a mathematical reason (diverged, no transport plan, ...).

    Recorded as data (`status=failed` with this text as reason); the other runs go on.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known: the nearest valid one, or the list of all."""
    options = sorted(known)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(options) or 'none'}"
