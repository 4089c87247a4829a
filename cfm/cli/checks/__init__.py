"""The contract of a method as checks: each returns nothing, or raises `UserError`, one line that says what to do."""
