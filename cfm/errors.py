"""The two kinds of failure that are not bugs."""


class UserError(Exception):
    """Something the user can mend; its text is one line that says what and where. Ends the command."""


class RunFailed(Exception):
    """One run failed for a mathematical reason (diverged, no transport plan, ...).

    Recorded as data (`status=failed` with this text as reason); the other runs go on.
    """
