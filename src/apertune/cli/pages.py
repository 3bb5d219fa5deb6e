"""Names for the HTML pages of `apertune datasets`, under which no page of other data is overwritten."""

from __future__ import annotations

from itertools import count
from pathlib import Path

_HEAD_BYTES = 1 << 16


def free_page(stem: str, fingerprint: str) -> Path:
    """Returns STEM.html, or STEM-2.html and so on where that is the page of other data.

    Args:
        stem: The name of the page without its suffix.
        fingerprint: That of the data set, which every page of it shows near its beginning.
    """
    for number in count(1):
        page = Path(f"{stem}.html" if number == 1 else f"{stem}-{number}.html")
        if not page.exists() or (page.is_file() and _shows(page, fingerprint)):
            return page
    raise AssertionError("the numbers end")


def _shows(page: Path, fingerprint: str) -> bool:
    with page.open("rb") as file:
        return fingerprint.encode() in file.read(_HEAD_BYTES)
