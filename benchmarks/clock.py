"""How long something takes when it is done again and again."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def seconds_each(
    run: Callable[[], object],
    seconds: float,
    warm_up: int,
    device: str = "cpu",
    ready: Callable[[], object] = lambda: None,
) -> float:
    """Mean seconds of a call, over a time, after so many that do not count and after `ready`."""

    def finish() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    for _ in range(warm_up):
        run()
    finish()
    ready()
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        run()
        count += 1
    finish()
    return (time.perf_counter() - began) / count
