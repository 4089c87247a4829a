"""One training on several processes that `torchrun` starts: each has its share of every batch, all have one network.

    torchrun --nproc-per-node 4 -m cfm train --budget paper ...

Every process draws the whole batch, pairs its own rows of it (a coupling of a part of the batch, as with `ot_batch`),
and goes down the mean of all gradients; so the points seen, and the number of steps, do not depend on the number of
processes. The first one writes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, device


@dataclass(frozen=True)
class Share:
    """Process number `rank` of `count`."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Does this process write?"""
        return self.rank == 0

    def rows(self, n: int) -> slice:
        """Its rows of n."""
        size = n // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def average(self, gradients: Iterable[Tensor]) -> None:
        """Put the mean over all processes in their place."""
        if self.count == 1:
            return
        from torch import distributed

        for gradient in gradients:
            distributed.all_reduce(gradient)
            gradient /= self.count

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            from torch import distributed

            distributed.barrier()


def torchrun(count: int) -> int:
    """This very command in so many processes, one per GPU; its exit code."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    return subprocess.run([*launcher, "-m", "cfm", *sys.argv[1:]]).returncode


def join(on: device, batch_size: int) -> Share:
    """This process's share, as torchrun's variables RANK and WORLD_SIZE say; alone without them."""
    share = Share(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))
    if batch_size % share.count:
        raise UserError(f"a batch of {batch_size} cannot be shared evenly by {share.count} processes")
    if share.count > 1:
        from torch import distributed

        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if on.type == "cuda" else "gloo")
    return share
