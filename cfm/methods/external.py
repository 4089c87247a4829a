"""A method that lives outside this package, in any language: docs/adding.md.

What it minimises, and from which paper it is, says its rule workflow/rules/methods/NAME.smk, whose program writes the
samples; here they are measured like those of all others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cfm.methods.base import Method


@dataclass(frozen=True)
class External(Method):
    """`parameters`: numbers by name that its program is handed."""

    parameters: dict[str, float] = field(default_factory=dict)


METHOD = External
