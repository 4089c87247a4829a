"""Zips of pictures as people pack them, joined with a table by name or by folder: what is read, and what is said."""

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfm.datasets.reading.attribute_files import read_attribute, read_pictures
from cfm.datasets.reading.picture_files import opened
from cfm.errors import UserError


def _picture(level: int, kind: str = "JPEG", mode: str = "RGB") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (16, 16), (level,) * 3 if mode == "RGB" else level).save(stream, kind)
    return stream.getvalue()


def _pack(folder: Path, pictures: Mapping[str, bytes], names: list[str]) -> tuple[Path, Path]:
    """A zip and a table; every other picture of the table has the attribute."""
    path, table = folder / "faces.zip", folder / "list.txt"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in pictures.items():
            archive.writestr(name, content)
    rows = [f"{name} {1 if k % 2 else -1}" for k, name in enumerate(names)]
    table.write_text("\n".join([str(len(names)), "Smiling", *rows]) + "\n", encoding="utf-8")
    return path, table


def _levels(path: Path, table: Path | None, n: int) -> list[int]:
    return [int(level) for level in read_pictures(path, table, 4, np.arange(n))[:, 0, 0, 0]]


JUNK = {
    "__MACOSX/._1.jpg": b"Mac OS X",
    "__MACOSX/a/._1.jpg": b"",
    "a/.DS_Store": b"",
    "Thumbs.db": b"",
    "a/._1.jpg": b"",
}
FOUND = {
    "at the top": ({"1.jpg": 10, "2.jpg": 200}, ["1.jpg", "2.jpg"]),
    "in a folder": ({"img_align_celeba/1.jpg": 10, "img_align_celeba/2.jpg": 200}, ["1.jpg", "2.jpg"]),
    "in folders within folders": ({"data/img/1.jpg": 10, "data/more/2.jpg": 200}, ["1.jpg", "2.jpg"]),
    "with their folders": ({"a/1.jpg": 10, "b/1.jpg": 200}, ["a/1.jpg", "b/1.jpg"]),
    "with their last folders": ({"data/a/1.jpg": 10, "data/b/1.jpg": 200}, ["a/1.jpg", "b/1.jpg"]),
    "with a backslash in the table": ({"a/1.jpg": 10, "b/1.jpg": 200}, ["a\\1.jpg", "b\\1.jpg"]),
    "with a backslash in the zip": ({"a\\1.jpg": 10, "b\\1.jpg": 200}, ["a/1.jpg", "b/1.jpg"]),
    "at the top beside a folder": ({"1.jpg": 10, "b/1.jpg": 200}, ["./1.jpg", "b/1.jpg"]),
    "with a dot in the zip": ({"./1.jpg": 10, "./2.jpg": 200}, ["1.jpg", "2.jpg"]),
    "in upper case": ({"1.JPG": 10, "IMG_2.JPG": 200}, ["1.jpg", "img_2.jpg"]),
    "of one name but for its case": ({"a.jpg": 10, "A.jpg": 200}, ["a.jpg", "A.jpg"]),
    "with accents in two forms": ({"Mu\u0308ller.jpg": 10, "Zoe\u0308.jpg": 200}, ["M\u00fcller.jpg", "Zo\u00eb.jpg"]),
    "with a folder whose name ends alike": ({"xa/1.jpg": 200, "a/1.jpg": 10, "b/2.jpg": 200}, ["a/1.jpg", "2.jpg"]),
}


@pytest.mark.parametrize("case", list(FOUND))
def test_a_picture_is_found_by_its_name(case: str, tmp_path: Path) -> None:
    levels, names = FOUND[case]
    path, table = _pack(tmp_path, JUNK | {name: _picture(level) for name, level in levels.items()}, names)
    assert _levels(path, table, 2) == pytest.approx([10, 200], abs=1)
    assert read_attribute(path, table, "Smiling").tolist() == [False, True]


def test_names_that_macos_writes_without_saying_that_they_are_utf8(tmp_path: Path) -> None:
    path, table = _pack(
        tmp_path, {"Zoe\u0308/1.jpg": _picture(10), "a/1.jpg": _picture(200)}, ["Zo\u00eb/1.jpg", "a/1.jpg"]
    )
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = content.find(mark)
        while start >= 0:
            flags = struct.unpack_from("<H", content, start + place)[0]
            struct.pack_into("<H", content, start + place, flags & ~0x800)
            start = content.find(mark, start + 4)
    path.write_bytes(content)
    assert _levels(path, table, 2) == pytest.approx([10, 200], abs=1)


def test_other_pictures_are_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, table = _pack(tmp_path, {"1.jpg": _picture(10), "2.jpg": b"no picture", "a/3.txt": b""} | JUNK, ["1.jpg"])
    assert len(_levels(path, table, 1)) == 1
    assert "faces.zip: 2 of 3 files are not named in" in capsys.readouterr().err


def test_grey_pictures_among_coloured_ones_become_coloured_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = {"1.jpg": _picture(10, mode="L"), "2.png": _picture(200, "PNG"), "3.jpg": _picture(90, mode="L")}
    path, table = _pack(tmp_path, pictures, [*pictures])
    assert read_pictures(path, table, 4, np.arange(3)).shape == (3, 3, 4, 4)
    assert "2 of 3 pictures are grey: taken as coloured ones" in capsys.readouterr().err
    assert read_pictures(path, table, 4, np.array([0, 2])).shape == (2, 1, 4, 4)
    assert capsys.readouterr().err.count("grey") == 0


def _twice(folder: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(folder / "faces.zip", "a") as archive:
        archive.writestr("1.jpg", _picture(7))


def _encrypted(folder: Path) -> None:
    """The flag of the first file, in both places where a zip has it."""
    content = bytearray((folder / "faces.zip").read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.find(mark) + place] |= 1
    (folder / "faces.zip").write_bytes(content)


def _flipped(folder: Path) -> None:
    content = bytearray((folder / "faces.zip").read_bytes())
    content[content.find(b"\xff\xda") + 20] ^= 0xFF
    (folder / "faces.zip").write_bytes(content)


def _halved(folder: Path) -> None:
    content = (folder / "faces.zip").read_bytes()
    (folder / "faces.zip").write_bytes(content[: len(content) // 2])


def _bomb(folder: Path) -> None:
    with (
        zipfile.ZipFile(folder / "faces.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("1.jpg", "w") as file,
    ):
        for _ in range(1100):
            file.write(bytes(1 << 20))


def _said(folder: Path, pictures: Mapping[str, bytes], names: list[str], spoil: Callable[[Path], None]) -> str:
    path, table = _pack(folder, pictures, names)
    spoil(folder)
    with pytest.raises(UserError) as error:
        _levels(path, table, len(names))
    assert "\n" not in str(error.value)
    return str(error.value)


def _nothing(folder: Path) -> None:
    pass


ONE = {"1.jpg": _picture(10)}
REFUSED = {
    "in two folders": (
        {"smiling/1.jpg": b"", "neutral/1.jpg": b""},
        ["1.jpg"],
        _nothing,
        r"'1.jpg' of .*list.txt may be 'neutral/1.jpg' or 'smiling/1.jpg': write the folder",
    ),
    "at the top and in a folder": ({**ONE, "old/1.jpg": b""}, ["1.jpg"], _nothing, r"may be './1.jpg' or 'old/1.jpg'"),
    "the same folders twice": (
        {"x/a/1.jpg": b"", "y/a/1.jpg": b""},
        ["a/1.jpg"],
        _nothing,
        r"'a/1.jpg' of .* may be 'x/a/1.jpg' or 'y/a/1.jpg'",
    ),
    "two of no exact case": ({"A.jpg": b"", "a.JPG": b""}, ["a.jpg"], _nothing, r"may be './A.jpg' or './a.JPG'"),
    "named twice, in two ways": (
        {"a/1.jpg": b""},
        ["1.jpg", "a/1.jpg"],
        _nothing,
        r"'1.jpg' and 'a/1.jpg' are one pict",
    ),
    "missing": (ONE, ["1.jpg", "2.jpg"], _nothing, r"faces.zip: no picture '2.jpg', which .*list.txt names$"),
    "missing in that folder": ({"a/1.jpg": b""}, ["b/1.jpg"], _nothing, r"no picture 'b/1.jpg'.*; there is 'a/1.jpg'"),
    "of another format": ({"1.png": b""}, ["1.jpg"], _nothing, r"no picture '1.jpg', .*; there is '1.png'"),
    "in the zip twice": (ONE, ["1.jpg"], _twice, r"'1.jpg' is in it 2 times"),
    "encrypted": (ONE, ["1.jpg"], _encrypted, r"'1.jpg' is encrypted: pack the pictures without a password"),
    "damaged": (ONE, ["1.jpg"], _flipped, r"faces.zip: '1.jpg' cannot be read \(BadZipFile: Bad CRC-32"),
    "half a zip": (ONE, ["1.jpg"], _halved, r"faces.zip: cannot be read \(BadZipFile"),
    "no zip": (ONE, ["1.jpg"], lambda folder: (folder / "faces.zip").write_bytes(b"no zip"), r"\(BadZipFile"),
    "a bomb": (ONE, ["1.jpg"], _bomb, r"faces.zip: cannot be read \(TooLarge: unpacks to"),
    "cut short": (
        {**ONE, "2.jpg": _picture(9)[:300]},
        ["1.jpg", "2.jpg"],
        _nothing,
        r"picture '2.jpg' cannot be read \(",
    ),
    "a cut png": ({"a/2.png": _picture(9, "PNG")[:60]}, ["2.png"], _nothing, r"picture 'a/2.png' cannot be read \("),
    "empty": ({"1.jpg": b""}, ["1.jpg"], _nothing, r"picture '1.jpg' cannot be read \(UnidentifiedImageError"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_cannot_be_told_or_read_is_one_line_with_the_pictures_name(case: str, tmp_path: Path) -> None:
    import re

    pictures, names, spoil, message = REFUSED[case]
    assert re.search(message, _said(tmp_path, pictures, names, spoil))  # type: ignore[arg-type]


def test_a_picture_too_large_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert "picture '1.jpg' cannot be read (DecompressionBombError" in _said(tmp_path, ONE, ["1.jpg"], _nothing)


def test_a_picture_cut_short_in_an_npz_is_told_by_its_row(tmp_path: Path) -> None:
    files = [_picture(level, mode="L") for level in (10, 20, 30)]
    head = files[0][:20]
    tails = [file[20:] for file in files]
    tails[1] = tails[1][:200]
    arrays = {"jpeg_header": np.frombuffer(head, np.uint8), "labels": np.array([1, 0, 1])}
    tail, sizes = np.frombuffer(b"".join(tails), np.uint8), np.array([len(part) for part in tails])
    np.savez(tmp_path / "faces.npz", jpeg_tail=tail, tail_sizes=sizes, **arrays)
    with pytest.raises(UserError, match=r"faces.npz: picture in row 1 cannot be read \(OSError"):
        read_pictures(tmp_path / "faces.npz", None, 4, np.array([2, 1, 0]))
    assert len(read_pictures(tmp_path / "faces.npz", None, 4, np.array([2, 0]))) == 2
    np.savez(tmp_path / "faces.npz", jpeg_tail=tail[:-50], tail_sizes=sizes, **arrays)
    with pytest.raises(UserError, match=r"faces.npz: `jpeg_tail` has \d+ bytes, and the 3 `tail_sizes` are"):
        read_pictures(tmp_path / "faces.npz", None, 4, np.array([0]))
    np.savez(tmp_path / "faces.npz", labels=np.array(["a", None], dtype=object))
    with pytest.raises(UserError, match=r"faces.npz: cannot be read \(ValueError: Object arrays"):
        read_attribute(tmp_path / "faces.npz", None, "labels")


def test_the_files_that_computers_add_are_not_there(tmp_path: Path) -> None:
    path, _ = _pack(tmp_path, ONE | JUNK, ["1.jpg"])
    with opened(path) as archive:
        assert [*archive.places] == ["1.jpg"]
