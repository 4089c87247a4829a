"""The report: one page, whole in itself, that shows the results of a budget as a paper does."""

from pathlib import Path

FILES = Path(__file__).parent / "page"  # its templates, style and scripts
