"""What the manual shows of files outside of it: pictures of results are taken along, other links become plain text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
_PICTURE = re.compile(r"(!\[[^]]*\]\()\.\./(results/[^)]+\))")
_OUTSIDE = re.compile(r"(?<!!)\[([^]]+)\]\(\.\./[^)]+\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """The files of the site with the pictures of results that its pages show, as mkdocs calls it."""
    pages = Path(config.docs_dir).glob("*.md")
    shown = {link[1][:-1] for page in pages for link in _PICTURE.findall(page.read_text(encoding="utf-8"))}
    for picture in sorted(shown):
        files.append(File.generated(config, picture, abs_src_path=str(ROOT / picture)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with links to these pictures within the site, and without other links out of it, whose words name the
    file."""
    return _OUTSIDE.sub(r"\1", _PICTURE.sub(r"\1\2", markdown))
