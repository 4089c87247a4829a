"""Conditional flow matching, reproduced: the `how` of the benchmark (the `what` is in config/)."""

__version__ = "0.1.0"
