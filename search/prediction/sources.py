"""Finds the images and videos that a user means: files, folders and patterns."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import SettingError

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
)
VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".flv", ".wmv", ".ogv", ".3gp")
)


@dataclass(frozen=True)
class Files:
    """The files that were found, in the order given; those of a folder sorted by name."""

    images: tuple[Path, ...]
    """The image files."""
    videos: tuple[Path, ...]
    """The video files."""


def find_files(given: Sequence[str]) -> Files:
    """Finds files, in folders and all folders below them too, and expands patterns (`*.jpg`) that the shell did not.

    A file given by name counts as a video if its ending is a video's, else as an image. From a folder,
    files with the ending of an image or a video are taken, but no hidden ones.

    Args:
        given: Files, folders and patterns.

    Raises:
        SettingError: One of them does not exist, or nothing is found.
    """
    found = [path for text in given for path in _expand(text)]
    unique = list(dict.fromkeys(found))
    if not unique:
        raise SettingError(f"no images or videos in {', '.join(given) or 'nothing'}")
    videos = [path for path in unique if is_video(path)]
    return Files(tuple(path for path in unique if not is_video(path)), tuple(videos))


def is_video(path: Path) -> bool:
    """Returns whether the file's name ends as a video's does."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def _expand(text: str) -> list[Path]:
    path = Path(text).expanduser()
    if path.is_dir():
        return [file for file in sorted(path.rglob("*")) if _is_wanted(file, path)]
    if path.exists():
        return [path]
    matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  # Path.glob takes no absolute pattern
    if not matches:
        raise SettingError(f"'{text}' is no file, folder or pattern that matches any file")
    return [file for match in matches for file in _expand(match)]


def _is_wanted(file: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    return not hidden and file.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and file.is_file()
