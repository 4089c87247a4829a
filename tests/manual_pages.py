"""The examples of the manual."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]


def examples(page: str) -> list[str]:
    """The indented blocks of a page of the manual."""
    text = (ROOT / f"docs/{page}.md").read_text()
    return [textwrap.dedent(block) for block in re.findall(r"(?<=\n\n)((?:    .*\n|\n(?=\n?    ))+)", text)]
