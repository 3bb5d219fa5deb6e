"""Counts the files of a data set: found, read as images, and left out, with the reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from ..base import FileCounts, Index
from .sources import Source

_KINDS_SHOWN = 4


def count_files(source: Source, index: Index, bad: Sequence[Mapping[str, str]]) -> dict[str, Any] | None:
    """Returns the fields of a `FileCounts`, ready for JSON; None where images are no files of their own.

    Args:
        source: The files that the adapter was given.
        index: The images that it listed.
        bad: Files and rows that cannot be used, each with `where` and `reason`.
    """
    if index.pixels is not None:
        return None
    listed, paths = {str(key) for key in index.table["key"]}, {file.path for file in source.files}
    if not listed & paths:
        return None
    refused = {item["where"] for item in bad} & paths
    images = {file.path for file in source.images}
    others = paths - listed - refused
    reasons = Counter("not used, though an image" for path in others if path in images)
    suffixes = Counter(PurePosixPath(path).suffix.lower() or "no suffix" for path in others if path not in images)
    for suffix, count in suffixes.most_common(_KINDS_SHOWN):
        reasons[f"not an image ({suffix})"] = count
    if (rest := sum(suffixes.values()) - sum(dict(suffixes.most_common(_KINDS_SHOWN)).values())) > 0:
        reasons["not an image (other suffixes)"] = rest
    return asdict(FileCounts(len(paths), len((listed & paths) - refused), dict(reasons), len(refused)))
