"""Text files beside the images that name one image per line, and the images that such a line means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from ..files.sources import Source

LARGEST_LIST_BYTES = 64 << 20
"""Longer files are not read for lists."""


def lines_of(source: Source, path: str) -> Iterator[str]:
    """Yields the lines of a file that are not blank."""
    with (source.root / path).open(encoding="utf-8-sig", errors="replace") as file:
        for line in file:
            if text := line.strip():
                yield text


def first_words(source: Source, path: str) -> dict[str, str]:
    """Returns the second word of each line by the first; nothing if there is no such file."""
    if not (source.root / path).is_file():
        return {}
    words = [re.split(r"[,;\s]+", line) for line in lines_of(source, path)]
    return {line[0]: line[1] for line in words if len(line) > 1}


class ImageNames:
    """Finds images by what a list calls them."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._by_name: dict[str, str | None] = {}
        for path in paths:
            plain = PurePosixPath(path)
            parts = plain.parts
            for start in range(len(parts)):
                tail = "/".join(parts[start:])
                for name in (tail, str(PurePosixPath(tail).with_suffix(""))):
                    # A name of several images is none.
                    self._by_name[name] = path if self._by_name.get(name, path) == path else None

    def find(self, line: str) -> str | None:
        """Returns the image that a line names: by its path or a part of it, with or without its suffix."""
        for text in (line, *line.split()[:1]):
            name = text.replace("\\", "/").removeprefix("./").lstrip("/")
            while name:
                if name in self._by_name:
                    return self._by_name[name]
                _, _, name = name.partition("/")
        return None
