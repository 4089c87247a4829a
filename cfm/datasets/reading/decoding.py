"""One picture from the bytes of its file, as every viewer shows it: turned by its tag, in grey or sRGB, on white.

What a mode of Pillow (13.0) holds is not always what the picture shows: `convert("L")` cuts 16 bits at 255, drops what
is transparent to whatever colour lies below, and knows nothing of colour profiles.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageCms

from cfm.types import Bytes

SUFFIXES = frozenset({"avif", "bmp", "gif", "jpeg", "jpg", "pgm", "png", "ppm", "tif", "tiff", "webp"})
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "PPM")
_ORIENTATION, _PHOTOMETRIC, _WHITE_IS_ZERO = 0x0112, 262, 0
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_GREY = ("1", "L", "LA", "La", "I;16")


def square(file: bytes, side: int) -> Bytes:
    """The largest central square of a picture, scaled to (channels, side, side): 1 channel if it is grey, 3 if not.

    Raises ValueError (or what Pillow raises, OSError among it) if the file is no whole picture, or its numbers have no
    known range.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of damaged tags; a file that is too large is an error of its own
        with Image.open(io.BytesIO(file), formats=_FORMATS) as opened:
            opened.load()
            picture = _turned(opened, _shown(opened))
    edge = min(picture.size)
    left, top = ((length - edge) / 2 for length in picture.size)
    box = (left, top, left + edge, top + edge)
    pixels = np.asarray(picture.resize((side, side), Image.Resampling.BOX, box))
    return np.moveaxis(np.atleast_3d(pixels), -1, 0)


def in_colour(picture: Bytes) -> Bytes:
    """The same picture with three channels."""
    return np.repeat(picture, 3, axis=0) if len(picture) == 1 else picture


def in_grey(picture: Bytes) -> Bytes:
    """The same picture with one channel, the luma of ITU-R BT.601 as in Pillow's `convert("L")`."""
    if len(picture) == 1:
        return picture
    return np.asarray(Image.fromarray(np.moveaxis(picture, 0, -1)).convert("L"))[None]


def _turned(opened: Image.Image, picture: Image.Image) -> Image.Image:
    """By the tag of cameras. Not `ImageOps.exif_transpose`: it rewrites all tags and fails on any that is damaged."""
    try:
        turn = _TURNS.get(opened.getexif().get(_ORIENTATION, 1))
    except Exception:  # of damaged tags anything comes; a viewer shows such a picture as it lies
        return picture
    return picture if turn is None else picture.transpose(turn)


def _shown(opened: Image.Image) -> Image.Image:
    """In mode L or RGB."""
    picture = _eight_bits(opened)
    grey = picture.mode in _GREY or (picture.mode == "P" and _has_grey_palette(picture))
    if picture.has_transparency_data:
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
    if picture.mode not in ("L", "RGB", "CMYK"):
        picture = picture.convert("L" if grey else "RGB")
    profile = opened.info.get("icc_profile")
    if profile and opened.mode != "LAB":
        picture = _in_srgb(picture, profile)
    return picture.convert("RGB") if picture.mode == "CMYK" else picture


def _eight_bits(opened: Image.Image) -> Image.Image:
    """Grey of 16 bits scaled to 8, and everything else as it is; ValueError where it is not said what is white."""
    if opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format == "PPM"):
        if "transparency" in opened.info:
            raise ValueError("grey of 16 bits with a transparent one: save it with 8 bits")
        pixels = np.asarray(opened).astype(np.uint32)
        if opened.format == "TIFF" and opened.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # type: ignore[attr-defined]
            pixels = 65535 - pixels  # Pillow turns 8 bits round, and not 16
        return Image.fromarray(((pixels + 128) // 257).astype(np.uint8))
    if opened.mode in ("I", "F"):
        raise ValueError(f"numbers of mode {opened.mode}, for which black and white are not said: save it with 8 bits")
    return opened


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """A grey picture stays one. Without its profile if that is damaged or of another kind of colour, as in viewers."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return picture
        found = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return picture
    if found is None:
        return picture
    return found.convert("L") if picture.mode == "L" else found


def _has_grey_palette(picture: Image.Image) -> bool:
    colours = np.asarray(picture.convert("RGB"))
    return bool((colours == colours[..., :1]).all())
