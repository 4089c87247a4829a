"""Pictures as points: the pixels of (channels, height, width) in a row, from -1 (black) to 1 (white)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from cfm.settings import UNetSettings
from cfm.types import Bytes, Points


def picture_shape(dim: int) -> tuple[int, int, int] | None:
    """(channels, side, side) of a square picture of so many numbers, of one channel or three; None if there is none."""
    for channels in (1, 3):
        side = math.isqrt(dim // channels)
        if channels * side * side == dim:
            return channels, side, side
    return None


def shape_of(dim: int) -> tuple[int, int, int]:
    """The same for what is known to be a picture."""
    shape = picture_shape(dim)
    if shape is None:
        raise ValueError(f"{dim} numbers are no square picture of one channel or three")
    return shape


def can_halve_twice(dim: int) -> bool:
    """Is it a square picture of one channel whose side is a multiple of four?"""
    shape = picture_shape(dim)
    return shape is not None and shape[0] == 1 and shape[1] > 0 and shape[1] % 4 == 0


def unet_problem(shape: tuple[int, int, int] | None, channels: int, settings: UNetSettings) -> str | None:
    """Why there is no U-Net of the settings for points of this shape as pictures, in one line; None if there is."""
    if shape is None:
        return "unet: the points are no square pictures of one channel or three"
    halvings = len(settings.multipliers) - 1
    multiple = settings.patch * 2**halvings
    if shape[1] % multiple:
        return (
            f"unet: pictures of side {shape[1]} cannot be cut into patches of {settings.patch} and halved "
            f"{halvings} times; give a side that is a multiple of {multiple}, another patch or fewer multipliers"
        )
    return f"unet: width {channels}: a multiple of 4 is needed" if channels % 4 else None


def from_bytes(pictures: Bytes) -> Points:
    """Pictures (n, h, w) or (n, c, h, w) of bytes as points, x = b / 127.5 - 1 as torchvision normalises them."""
    return (pictures.reshape(len(pictures), -1) / np.float32(127.5) - 1).astype(np.float32)


def to_bytes(points: Points) -> Bytes:
    """Points as pictures of bytes (n, c, h, w), b = trunc(127.5 x + 128) between 0 and 255, as the authors do."""
    scaled = np.clip(points * np.float32(127.5) + 128, 0, 255).astype(np.uint8)
    return scaled.reshape(len(points), *shape_of(points.shape[1]))


def mirrored(points: Points, which: npt.NDArray[np.bool_]) -> Points:
    """The points with some of the pictures, `which` (n,), flipped from left to right."""
    pictures = points.reshape(len(points), *shape_of(points.shape[1]))
    flipped = np.where(which[:, None, None, None], pictures[..., ::-1], pictures)
    return flipped.reshape(points.shape)


def sheet(points: Points, columns: int) -> Bytes:
    """Points as one picture of pictures (h, w) or (h, w, 3) in so many columns, with a line between them."""
    pictures = np.pad(to_bytes(points), ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=255)
    missing = -len(pictures) % columns
    pictures = np.concatenate([pictures, np.full((missing, *pictures.shape[1:]), 255, dtype=np.uint8)])
    return mosaic(pictures.reshape(-1, columns, *pictures.shape[1:]))


def mosaic(pictures: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Pictures (rows, columns, channels, height, width) side by side, for `imshow`."""
    rows, columns, channels, high, wide = pictures.shape
    laid = pictures.transpose(0, 3, 1, 4, 2).reshape(rows * high, columns * wide, channels)
    return laid[..., 0] if channels == 1 else laid
