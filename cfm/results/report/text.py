"""Text of tables and captions as HTML: escaped first, then the little markup that they use."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_SIGNS = {"✓": "agrees", "✗": "differs"}
_COUNT = re.compile(r"\((n=[^()]*)\)")
_BOLD = re.compile(r"\*\*(.+?)\*\*")


def rich(text: str) -> Markup:
    """A line in which `**…**` is bold; all else is shown as it is."""
    return Markup(_BOLD.sub(r"<strong>\1</strong>", str(escape(text))))


def cell(text: str) -> Markup:
    """A table's cell: our number, how many seeds it rests on, and below it the paper's."""
    ours, *rest = text.split("<br>")
    parts = [_COUNT.sub(r'<span class="n">(\1)</span>', str(rich(ours)))]
    for line in rest:
        theirs = str(rich(line))
        for sign, word in _SIGNS.items():
            theirs = theirs.replace(sign, f'<span class="{word}" role="img" aria-label="{word}">{sign}</span>')
        parts.append(f'<span class="theirs">{theirs}</span>')
    return Markup("".join(parts))
