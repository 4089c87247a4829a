"""The rooms of the package as a house, drawn as SVG, with the way of the files below it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rooms import Room

WIDTH = 1120
_LEFT, _RIGHT = 300, 820  # the walls
_ROOF, _FLOOR, _GROUND, _FILES = 92, 46, 58, 104  # heights
_STYLE = """
text {font-family: Helvetica, Arial, sans-serif; font-size: 13px; fill: #222}
.name {font-weight: bold; font-size: 15px}
.quiet {fill: #555; font-size: 12px}
.file {font-size: 12px}
.head {font-weight: bold; fill: #555; font-size: 12px}
"""
_ARROW_HEAD = (
    '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 L8 4 L0 8 z" fill="#777"/></marker>'
)


def picture(rooms: Sequence[Room], ground: Room, files: Sequence[tuple[str, str]]) -> str:
    """The SVG: rooms from the roof to the ground, and (verb, file that it writes) from left to right."""
    height = _ROOF + _FLOOR * len(rooms) + _GROUND + _FILES
    parts = [*_roof(), *_imports(len(rooms))]
    for number, room in enumerate(rooms):
        parts += _storey(room, _ROOF + number * _FLOOR, _FLOOR, "#f4f1e8" if number % 2 else "#ece6d6")
    parts += _storey(ground, _ROOF + len(rooms) * _FLOOR, _GROUND - 8, "#cfd8c3", overhang=24)
    parts += _way(files, height - _FILES)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">',
            "<title>The rooms of the package, from the roof to the ground, and the way of the files</title>",
            f"<style>{_STYLE}</style>",
            f"<defs>{_ARROW_HEAD}</defs>",
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _roof() -> list[str]:
    middle = (_LEFT + _RIGHT) // 2
    return [
        f'<path d="M{_LEFT - 30} {_ROOF} L{middle} 8 L{_RIGHT + 30} {_ROOF} z" fill="#c98f76" stroke="#666"/>',
        _text(middle, 62, "python -m cfm VERB …", "name", "middle"),
        _text(middle, 80, "cfm/__main__.py", "quiet", "middle"),
        _text(_LEFT - 40, _ROOF - 8, "flows in", "head", "end"),
        _text(_RIGHT + 40, _ROOF - 8, "flows out", "head", "start"),
    ]


def _imports(floors: int) -> list[str]:
    """The one direction that imports have, at the left margin."""
    bottom = _ROOF + floors * _FLOOR
    turned = f'transform="rotate(-90 18 {(_ROOF + bottom) // 2})"'
    return [
        _arrow(30, _ROOF + 6, 30, bottom + _GROUND - 14),
        f"<g {turned}>{_text(18, (_ROOF + bottom) // 2 + 4, 'imports point down', 'quiet', 'middle')}</g>",
    ]


def _storey(room: Room, top: int, height: int, colour: str, overhang: int = 0) -> list[str]:
    left, right, middle = _LEFT - overhang, _RIGHT + overhang, top + height // 2
    parts = [
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{height}" fill="{colour}" stroke="#666"/>',
        _text(left + 14, middle - 3, f"{room.name}/", "name", "start"),
        _text(left + 14, middle + 15, room.what, "quiet", "start"),
    ]
    if room.takes:
        parts += [_text(left - 36, middle + 5, room.takes, "", "end"), _arrow(left - 30, middle, left - 2, middle)]
    return [
        *parts,
        _text(right + 36, middle + 5, room.gives, "", "start"),
        _arrow(right + 2, middle, right + 30, middle),
    ]


def _way(files: Sequence[tuple[str, str]], top: int) -> list[str]:
    """The files between the stages, each with the verb that writes it."""
    parts = [_text(20, top + 18, "The way of a number: verbs, and the files that they write", "head", "start")]
    step = (WIDTH - 20) // len(files)
    for number, (verb, file) in enumerate(files):
        left, width = 20 + number * step, step - 34
        parts += [
            f'<rect x="{left + 30}" y="{top + 44}" width="{width}" height="34" rx="6" fill="#e3ebf5" stroke="#666"/>',
            _text(left + 30 + width // 2, top + 65, file, "file", "middle"),
            _text(left + 30 + width // 2, top + 38, verb, "quiet", "middle"),
            _arrow(left - 2 if number else left, top + 61, left + 28, top + 61),
        ]
    return parts


def _text(x: int, y: int, text: str, kind: str, anchor: str) -> str:
    plain = escape(text.replace("`", ""))
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{plain}</text>'


def _arrow(x0: int, y0: int, x1: int, y1: int) -> str:
    return f'<path d="M{x0} {y0} L{x1} {y1}" fill="none" stroke="#777" stroke-width="1.4" marker-end="url(#head)"/>'
