"""The image files of a folder that are meant for training: those that the user excludes are not, nor are masks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import PurePosixPath

from ...errors import DatasetError
from ...text import counted

# The mark of a mask behind the name of the image that it belongs to: `x_mask.png`, `benign (1)_mask_1.png`.
_MASK = re.compile(r"(?P<image>.+?)[ ._-]+(?:masks?|segmentation|ground[ _-]?truth)(?:[ ._-]*\d+)?", re.IGNORECASE)
_MASK_FOLDERS = frozenset({"mask", "masks", "segmentation", "segmentations", "groundtruth", "ground_truth"})
_IMAGE_FOLDERS = frozenset({"image", "images", "img", "imgs", "jpegimages"})
# A folder beside that of the images holds pictures of their annotations, such as Oxford's trimaps, where so many of its
# files are called like images, but are of another format.
_LEAST_ALIKE = 0.9


def without_excluded(data: str, paths: Sequence[str], exclude: str | None) -> tuple[list[str], tuple[str, ...]]:
    """Leaves out the files that the user excludes; without a word of the user those that are masks of others.

    Args:
        data: The data set, for messages.
        paths: Paths of image files.
        exclude: Patterns such as `*_mask.png`, of a file's name or its path, separated by commas; `none` keeps all.

    Returns:
        The paths that are left, and a note on the others.

    Raises:
        DatasetError: A pattern matches no file.
    """
    if exclude is None:
        masks = masks_among(paths)
        if not masks:
            return list(paths), ()
        note = (
            f"left out {counted(len(masks), 'mask')} of other images, such as {min(masks)}; --option exclude=none "
            "keeps them"
        )
        return [path for path in paths if path not in masks], (note,)
    patterns = [pattern.strip() for pattern in exclude.split(",") if pattern.strip()]
    if patterns == ["none"]:
        return list(paths), ()
    for pattern in patterns or [exclude]:
        if not any(_matches(path, pattern) for path in paths):
            raise DatasetError(
                f"{data}: --option exclude must be patterns of file names or paths such as *_mask.png, or none, but "
                f"'{pattern}' matches none of {counted(len(paths), 'image')}"
            )
    kept = [path for path in paths if not any(_matches(path, pattern) for pattern in patterns)]
    return kept, (f"left out {counted(len(paths) - len(kept), 'image')} by --option exclude",)


def _matches(path: str, pattern: str) -> bool:
    return fnmatch(path, pattern) or fnmatch(PurePosixPath(path).name, pattern)


def _annotate(pictures: Sequence[PurePosixPath], images: Sequence[PurePosixPath]) -> bool:
    """Returns whether pictures are called like images, but are of another format."""
    formats = {path.suffix.lower() for path in images}
    stems = {path.stem for path in images}
    alike = sum(path.stem in stems and path.suffix.lower() not in formats for path in pictures)
    return alike >= _LEAST_ALIKE * len(pictures)


def masks_among(paths: Iterable[str]) -> set[str]:
    """Returns the files that are masks of others: beside them with a mark in the name, or in a folder beside theirs.

    Such a folder is called like one of masks, or its files are called like those in the folder `images`, but are of
    another format.
    """
    known = {path: PurePosixPath(path) for path in paths}
    stems = {(path.parent, path.stem) for path in known.values()}
    below: defaultdict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
    for path in known.values():
        for folder in path.parents:
            below[folder].append(path)
    with_images = {folder.parent: folder for folder in below if folder.name.lower() in _IMAGE_FOLDERS}
    mask_folders = {
        folder
        for folder in below
        if (images := with_images.get(folder.parent)) is not None
        and images != folder
        and (folder.name.lower() in _MASK_FOLDERS or _annotate(below[folder], below[images]))
    }
    return {
        name
        for name, path in known.items()
        if ((match := _MASK.fullmatch(path.stem)) and (path.parent, match["image"]) in stems)
        or not mask_folders.isdisjoint(path.parents)
    }
