"""Pictures per second that the paper's network for CIFAR-10 trains on, plain and fast, and what its coupling costs."""

from __future__ import annotations

import dataclasses

import numpy as np

from benchmarks.clock import seconds_each
from benchmarks.ours import fresh_trainer
from cfm.datasets.base import Prepared
from cfm.methods.flow_matching import FlowMatching
from cfm.nets.pictures import PictureField
from cfm.rng import stream
from cfm.settings import Training
from cfm.training.batches import training_pairs
from cfm.training.trainer import Trainer

_POINTS = 2_000
_METHOD = FlowMatching("exact", "linear", 0.0)
# What is compared: is the network fast (channels last, bfloat16), is it compiled?
WAYS = {"plain float32": (False, False), "bfloat16": (True, False), "bfloat16, compiled": (True, True)}


def picture_rates(settings: Training, dim: int, device: str, seconds: float, warm_up: int = 10) -> dict[str, float]:
    """Pictures per second of each way on pairs that are there already; the speed of noise is that of photographs."""
    rates = {}
    for way, (fast, compiled) in WAYS.items():
        assert settings.unet is not None
        trainer = _trainer(
            dataclasses.replace(settings, unet=dataclasses.replace(settings.unet, fast=fast)), dim, device
        )
        net = trainer.net
        assert isinstance(net, PictureField)
        if not compiled:
            net.uncompiled()
        pairs = training_pairs(trainer.sampler, 0, 0)

        def step(trainer: Trainer = trainer, pairs: object = pairs) -> None:
            trainer.train_step(lambda seed, step: pairs)  # type: ignore[arg-type, return-value]

        rates[way] = settings.batch_size / seconds_each(step, seconds, warm_up, device)
    return rates


def coupling_seconds(batch_size: int, dim: int, seconds: float) -> float:
    """Of one batch, by one process; it happens ahead of the network's step, in others."""
    rng = stream(0, "bench/coupling")
    x0, x1 = (rng.standard_normal((batch_size, dim), dtype=np.float32) for _ in range(2))
    return seconds_each(lambda: _METHOD.couple(x0, x1, rng), seconds, 2, "cpu")


def _trainer(settings: Training, dim: int, device: str) -> Trainer:
    rng = stream(0, "bench/pictures")
    arrays = {f"{split}_1": rng.uniform(-1, 1, (_POINTS, dim)).astype(np.float32) for split in ("train", "val")}
    return fresh_trainer(_METHOD, Prepared(arrays, dim, True), settings, [0], device)
