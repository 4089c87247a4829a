"""Training pairs for every step, drawn in this process or ahead of it by workers; the same bits either way."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process

from cfm.errors import RunFailed, UserError
from cfm.training.batches import Pairs, PairSampler, training_pairs

# Steps of one seed that a worker draws in one go, and how many such blocks of a seed wait for their turn.
_BLOCK, _AHEAD = 16, 2


@dataclass(frozen=True)
class Block:
    """The pairs of one seed for some steps from `first` on; a `failure` ends them early."""

    first: int
    pairs: list[Pairs]
    failure: str | None = None


class Prefetch:
    """Pairs of a stack of seeds from step `first` to `steps`, to be taken in order. A context manager.

    Processes and not threads draw ahead: what is Python in a batch would otherwise hold up the network's step.
    """

    def __init__(self, sampler: PairSampler, seeds: Sequence[int], first: int, steps: int, workers: int) -> None:
        self.sampler, self.steps = sampler, steps
        self._waiting: dict[int, deque[Future[Block]]] = {seed: deque() for seed in seeds}
        self._blocks = {seed: Block(first, []) for seed in seeds}
        self._next = dict.fromkeys(seeds, first)
        self._pool: ProcessPoolExecutor | None = None
        if workers:
            # Not forked: PyTorch and CUDA have threads of their own, which a copy of the process would lack.
            self._pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (sampler,))

    def __enter__(self) -> Prefetch:
        for _ in range(_AHEAD):
            for seed in self._waiting:
                self._order(seed)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def take(self, seed: int, step: int) -> Pairs:
        """The pairs of one seed at one step; raises RunFailed if they cannot be drawn."""
        if self._pool is None:
            return training_pairs(self.sampler, seed, step)
        block = self._blocks[seed]
        if step == block.first + len(block.pairs) and block.failure is None:
            try:
                block = self._blocks[seed] = self._waiting[seed].popleft().result()
            except BrokenProcessPool:
                raise UserError("a worker that draws pairs has died (out of memory?): run again to go on") from None
            self._order(seed)
        if step == block.first + len(block.pairs):
            assert block.failure is not None
            raise RunFailed(block.failure)
        return block.pairs[step - block.first]

    def _order(self, seed: int) -> None:
        first = self._next[seed]
        last = min(first + _BLOCK, self.steps)
        if self._pool is not None and first < last:
            self._waiting[seed].append(self._pool.submit(_draw, seed, first, last))
            self._next[seed] = last


_sampler: PairSampler  # of a worker process, set once


def _begin(sampler: PairSampler) -> None:
    """Start of a worker: Ctrl-C is for the process that trains, and when that is gone the worker goes too."""
    global _sampler
    _sampler = sampler
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def follow() -> None:
        connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _draw(seed: int, first: int, last: int) -> Block:
    pairs: list[Pairs] = []
    for step in range(first, last):
        try:
            pairs.append(training_pairs(_sampler, seed, step))
        except RunFailed as error:
            return Block(first, pairs, str(error))
    return Block(first, pairs)
