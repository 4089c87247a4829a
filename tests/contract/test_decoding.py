"""One picture as it shows: each mode with numbers, turned by its tag, and whole or not at all."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, JpegImagePlugin

from cfm.datasets.reading.decoding import in_colour, in_grey, square

ORIENTATION = 0x0112


def _file(picture: Image.Image, kind: str, **settings: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **settings)
    return stream.getvalue()


def _flat(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (16, 16), colour)


def _png(pixels: np.ndarray, kind: int, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG of 16 bits and the kind of colour, which Pillow does not write."""
    high, wide = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", wide, high, 16, kind, 0, 0, 0)), *more]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _levels(file: bytes) -> list[int]:
    """The channels of a picture of one colour."""
    found = square(file, 4)
    assert found.dtype == np.uint8 and found.shape[1:] == (4, 4) and (np.ptp(found.astype(int), axis=(1, 2)) <= 2).all()
    return [int(level) for level in found[:, 0, 0]]


SIXTEEN = Image.fromarray(np.full((16, 16), 25_700, np.uint16))  # 100 / 255 of white
HALF_CLEAR = (255, 0, 0, 128)
PALETTE = _flat("P", 1)
PALETTE.putpalette([0, 0, 0, 200, 30, 10])
GREYS = _flat("P", 1)
GREYS.putpalette([0, 0, 0, 77, 77, 77])
MODES = {
    "grey": (_file(_flat("L", 100), "PNG"), [100]),
    "colour": (_file(_flat("RGB", (10, 20, 200)), "PNG"), [10, 20, 200]),
    "one bit": (_file(_flat("1", 1), "PNG"), [255]),
    "one bit, tiff": (_file(_flat("1", 0), "TIFF"), [0]),
    "16 bits": (_file(SIXTEEN, "PNG"), [100]),
    "16 bits, tiff": (_file(SIXTEEN, "TIFF"), [100]),
    "16 bits, tiff, big-endian": (_file(Image.new("I;16B", (16, 16), 25_700), "TIFF"), [100]),
    "16 bits, tiff, white is 0": (_file(SIXTEEN, "TIFF", tiffinfo={262: 0}), [155]),
    "16 bits, pgm": (b"P5 16 16 65535\n" + np.full((16, 16), 25_700, ">u2").tobytes(), [100]),
    "16 bits, coloured": (_png(np.full((16, 16, 3), 25_700), 2), [100] * 3),
    "palette": (_file(PALETTE, "PNG"), [200, 30, 10]),
    "palette, gif": (_file(PALETTE, "GIF"), [200, 30, 10]),
    "palette of greys": (_file(GREYS, "PNG"), [77]),
    "grey, gif": (_file(_flat("L", 90), "GIF"), [90]),
    "half clear, on white": (_file(_flat("RGBA", HALF_CLEAR), "PNG"), [255, 127, 127]),
    "clear, on white": (_file(_flat("RGBA", (9, 9, 9, 0)), "PNG"), [255, 255, 255]),
    "not clear": (_file(_flat("RGBA", (9, 8, 7, 255)), "PNG"), [9, 8, 7]),
    "grey, half clear": (_file(_flat("LA", (0, 128)), "PNG"), [127]),
    "clear palette": (_file(PALETTE, "PNG", transparency=1), [255, 255, 255]),
    "clear grey": (_file(_flat("L", 100), "PNG", transparency=100), [255]),
    "clear colour": (_file(_flat("RGB", (1, 2, 3)), "PNG", transparency=(1, 2, 3)), [255, 255, 255]),
    "CMYK, Adobe's": (_file(_flat("CMYK", (0, 255, 255, 0)), "JPEG", quality=100), [255, 0, 0]),
    "CMYK, tiff": (_file(_flat("CMYK", (51, 0, 0, 51)), "TIFF"), [163, 204, 204]),
    "YCbCr, tiff": (_file(_flat("RGB", (200, 30, 10)).convert("YCbCr"), "TIFF"), [200, 30, 10]),
    "LAB": (_file(_flat("LAB", (255, 128, 128)), "TIFF"), [255, 255, 255]),
    "webp": (_file(_flat("RGB", (10, 20, 200)), "WEBP", lossless=True), [10, 20, 200]),
    "bmp": (_file(_flat("RGB", (10, 20, 200)), "BMP"), [10, 20, 200]),
}


@pytest.mark.parametrize("name", list(MODES))
def test_every_mode_gives_what_the_picture_shows(name: str) -> None:
    file, expected = MODES[name]
    found = _levels(file)
    assert len(found) == len(expected) and np.abs(np.subtract(found, expected)).max() <= 2, found


def test_a_jpeg_of_ycck_is_read_as_its_colour() -> None:
    """The bytes of a CMYK file, said by Adobe's mark to be luma and chroma instead of C, M and Y."""
    stored = _file(_flat("CMYK", (100, 128, 128, 0)), "JPEG", quality=100)
    place = stored.index(b"Adobe") + 11
    assert stored[place] == 0
    told = stored[:place] + b"\x02" + stored[place + 1 :]
    with Image.open(io.BytesIO(told)) as opened:
        assert opened.mode == "CMYK"
    # On disk is 155 as luma with nearly no chroma: red, green and blue of 155 stand for inverted inks of 100, the inks
    # are 155, and what they show is 100 (Adobe's Technical Note 5116).
    assert _levels(told) == pytest.approx([100] * 3, abs=4)


def _swapped_profile() -> bytes:
    """A profile in which red and green have each other's place: what it shows cannot be mistaken."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tags = {profile[k : k + 4]: k for k in range(132, 132 + 12 * struct.unpack(">I", profile[128:132])[0], 12)}
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    body = bytearray(profile)
    body[red + 4 : red + 12], body[green + 4 : green + 12] = (
        profile[green + 4 : green + 12],
        profile[red + 4 : red + 12],
    )
    described = bytes(body).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    return described.replace(b"sRGB built-in", b"swap built-in")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_profile_of_colours_is_applied(kind: str) -> None:
    more = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    file = _file(_flat("RGB", (200, 40, 10)), kind, icc_profile=_swapped_profile(), **more)
    assert _levels(file) == pytest.approx([40, 200, 10], abs=4)


@pytest.mark.parametrize(
    "profile", [b"damaged", b"", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()]
)
def test_srgbs_own_profile_and_a_damaged_one_change_nothing(profile: bytes) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    file = _file(Image.fromarray(pixels), "PNG", icc_profile=profile)
    np.testing.assert_array_equal(square(file, 8), np.moveaxis(pixels, -1, 0))
    grey = _file(Image.fromarray(pixels[..., 0]), "PNG", icc_profile=profile)
    np.testing.assert_array_equal(square(grey, 8)[0], pixels[..., 0])


# Where the mark in the upper left corner of the upright picture is stored, by the tag.
CORNERS = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}


def _marked(corner: tuple[int, int], turned: bool) -> Image.Image:
    """A picture of 16 x 24 (turned 24 x 16) with a white corner."""
    pixels = np.zeros((16, 24, 3) if turned else (24, 16, 3), np.uint8)
    rows, columns = (slice(8) if not side else slice(-8, None) for side in corner)
    pixels[rows, columns] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("tag", list(CORNERS))
def test_pictures_are_turned_as_their_tag_says(tag: int, kind: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = tag
    file = _file(_marked(CORNERS[tag], tag > 4), kind, exif=exif)
    found = square(file, 4)[0]
    assert found[0, :2].min() > 120 and found[2:].max() < 40 and found[:, 2:].max() < 40


def test_a_tag_is_found_in_xmp_and_in_imagemagicks_text_too() -> None:
    from PIL.PngImagePlugin import PngInfo

    exif = Image.Exif()
    exif[ORIENTATION] = 6
    content = exif.tobytes()
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(content):8d}\n{content.hex()}\n")
    told = [
        _file(_marked(CORNERS[6], True), "PNG", pnginfo=text),
        _file(_marked(CORNERS[6], True), "JPEG", xmp=b'<x tiff:Orientation="6"/>'),
    ]
    for file in told:
        assert square(file, 4)[0][0, :2].min() > 120


def _with_exif(content: bytes) -> bytes:
    return _file(_marked((0, 0), False), "JPEG", exif=content)


@pytest.mark.parametrize(
    "content",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0nonsense of some length, no tags at all",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0abc\0\0\0\0\0",  # text
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0\0\0\0\0",  # 9
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x05\0\x01\0\0\0\xff\xff\xff\xff\0\0\0\0",  # a fraction that is nowhere
    ],
)
def test_a_damaged_tag_leaves_the_picture_as_it_lies(content: bytes) -> None:
    assert square(_with_exif(content), 4)[0][0, :2].min() > 120


def test_a_damaged_tag_beside_the_orientation_does_not_hide_it() -> None:
    """`ImageOps.exif_transpose` writes all tags anew, and fails here."""
    tags = struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0) + struct.pack("<HHII", 0x011A, 5, 1, 0x00FFFFFF)
    content = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + tags + bytes(4)
    file = _file(_marked(CORNERS[6], True), "JPEG", exif=content)
    assert square(file, 4)[0][0, :2].min() > 120


def _noise(mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {}),
        ("PPM", {}),
        ("AVIF", {}),
    ],
)
def test_a_picture_cut_short_is_refused_or_whole(kind: str, settings: dict[str, Any]) -> None:
    """Never filled up with grey: what is taken without its last bytes has all of its pixels."""
    file = _file(_noise(), kind, **settings)
    whole, taken = square(file, 48), 0
    for length in {*range(0, len(file), len(file) // 60), *range(len(file) - 25, len(file))}:
        try:
            found = square(file[:length], 48)
        except Exception:
            continue
        taken += 1
        np.testing.assert_array_equal(found, whole)
    assert taken < 26


def _refused(file: bytes) -> str:
    with pytest.raises(Exception) as error:  # Pillow's kinds are many
        square(file, 4)
    return f"{type(error.value).__name__}: {error.value}"


def test_numbers_of_no_known_range_are_refused() -> None:
    real = Image.fromarray(np.linspace(0, 3, 256, dtype=np.float32).reshape(16, 16))
    whole = Image.fromarray(np.arange(256, dtype=np.int32).reshape(16, 16))
    assert "numbers of mode F" in _refused(_file(real, "TIFF"))
    assert "numbers of mode I" in _refused(_file(whole, "TIFF"))
    clear = _png(np.full((16, 16), 300), 0, (b"tRNS", struct.pack(">H", 300)))
    assert "16 bits with a transparent one" in _refused(clear)


def test_bombs_and_what_is_no_picture_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "UnidentifiedImageError" in _refused(b"no picture")
    assert "UnidentifiedImageError" in _refused(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert "DecompressionBombError" in _refused(_file(_flat("L", 0), "PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)  # a warning of Pillow's, no error
    assert _levels(_file(_flat("L", 3), "PNG")) == [3]


def test_grey_and_colour_are_made_of_each_other() -> None:
    picture = square(_file(_noise(), "PNG"), 48)
    assert in_grey(picture).shape == (1, 48, 48)
    np.testing.assert_array_equal(in_grey(picture)[0], np.asarray(_noise("L")))
    np.testing.assert_array_equal(in_colour(in_grey(picture))[2], in_grey(picture)[0])
    assert in_colour(picture) is picture


def test_what_was_read_before_is_read_to_the_bit() -> None:
    """Grey and coloured JPEG without tags: the resized pixels of Pillow and nothing else."""
    converted: list[Callable[[Image.Image], Image.Image]] = [lambda p: p, lambda p: p.convert("L")]
    for convert in converted:
        file = _file(convert(_noise()).resize((60, 44)), "JPEG")
        with Image.open(io.BytesIO(file)) as opened:
            assert isinstance(opened, JpegImagePlugin.JpegImageFile)
            expected = np.asarray(opened.resize((16, 16), Image.Resampling.BOX, (8, 0, 52, 44)))
        np.testing.assert_array_equal(square(file, 16), np.moveaxis(np.atleast_3d(expected), -1, 0))
