"""What is known of a training: losses and seconds of every seed at every check."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field

from cfm.artifacts.training_log import Row


@dataclass
class History:
    """What is known of each seed of the stack, by its slot: rows, best step, reason of failure."""

    rows: list[list[Row]]
    best_step: list[int]
    best_loss: list[float]
    failures: dict[int, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, stack_size: int) -> History:
        return cls([[] for _ in range(stack_size)], [0] * stack_size, [math.inf] * stack_size)

    def seconds(self, slot: int) -> float:
        """This seed's seconds so far: its own couplings, its share of steps (drawing included) and of checks."""
        if not self.rows[slot]:
            return 0.0
        last = self.rows[slot][-1]
        return last.seconds_coupling + last.seconds_step + last.seconds_validation

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> History:
        stored = json.loads(text)
        rows = [[Row(**row) for row in seed_rows] for seed_rows in stored["rows"]]
        failures = {int(seed): reason for seed, reason in stored["failures"].items()}
        return cls(rows, stored["best_step"], stored["best_loss"], failures)
