"""Started by torchrun: trains on a share of every batch and writes the parameters (see test_parallel.py)."""

import sys
from pathlib import Path

import numpy as np
import torch

from cfm.training.trainer import Trainer
from tests.maths.test_parallel import DATA, SETTINGS, method

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    trainer = Trainer(method(None), DATA, SETTINGS, [3], torch.device("cpu"), folder / "state")
    trainer.run(lambda *_: None)
    np.save(folder / f"theta{trainer.share.rank}.npy", trainer.net.theta.detach().numpy())
