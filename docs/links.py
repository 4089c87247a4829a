"""Links of the manual to files outside of it: links where the repository is read, plain text on the site."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^]]+)\]\(\.\./[^)]+\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page without such links, as mkdocs calls it; their words name the file."""
    return _OUTSIDE.sub(r"\1", markdown)
