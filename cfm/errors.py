"""The two kinds of failure that are not bugs."""


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
