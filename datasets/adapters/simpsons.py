"""The Simpsons characters: one folder per character, and a flat test folder with characters in the file names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ...errors import DatasetError, SettingError
from ...text import counted
from ..base import Index, Progress
from ..files.sources import Source, SourceFile
from .folders import content_of, keep_classes, sort_classes
from .split_folders import are_stated, split_above

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_MIN_IMAGES = 100
_NUMBERED = re.compile(r"(?P<character>.+)_\d+")
# The part before a frame's number tells the video where it holds a number itself: s01e02_0034, scene 7 frame 12.
_FRAME = re.compile(r"(?P<video>.*\d.*?)[ _.-]+(?:frame|img|image|pic|f|t)?[ _.-]*\d+", re.IGNORECASE)


class SimpsonsAdapter:
    """Reads the Simpsons characters as Kaggle publishes them."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the images of all characters that are not too rare.

        Options:
            classes: The characters to keep, separated by commas.
            min-images: The smallest number of training images for a character to be kept.
        """
        table, notes = _list(source)
        table, kept_notes = keep_classes(table, options.get("classes"), "simpsons")
        table, rare_notes = _leave_out_rare(table, _min_images(options))
        classes = sort_classes(table["label"])
        table["group"], told = _videos(table["key"])
        if len(classes) < 2:
            raise DatasetError(
                f"simpsons: at least two characters are needed, but only '{classes[0]}' is left; lower --min-images"
            )
        return Index(
            table=table,
            classes=classes,
            task="binary" if len(classes) == 2 else "multiclass",
            bad=source.bad_links,
            notes=(*notes, *kept_notes, *rare_notes),
            groups_from="videos that the frames' names tell" if told else None,
        )


def _videos(keys: Iterable[str]) -> tuple[list[str], bool]:
    """The video of each image, as far as its file's name tells it, else a name of its own; and whether any does."""
    found = [(key, _FRAME.fullmatch(PurePosixPath(key).stem)) for key in keys]
    return [f"video {match['video'].lower()}" if match else key for key, match in found], any(m for _, m in found)


def _list(source: Source) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Takes characters from folder names; in the test folder, and where there are no folders, from file names."""
    import pandas as pd

    images, doubled = _without_copies(source)
    in_folders = [file for file in images if "/" in file.path and not _is_test(file)]
    flat = [file for file in images if _is_test(file) or not in_folders]
    told = [split_above(PurePosixPath(file.path).parts[:-2]) for file in in_folders]
    splits = told if are_stated(told) else ["train"] * len(told)
    rows = [
        (file.path, PurePosixPath(file.path).parent.name, split) for file, split in zip(in_folders, splits, strict=True)
    ]
    known = {character for _, character, _ in rows}
    for file in flat:
        match = _NUMBERED.fullmatch(PurePosixPath(file.path).stem)
        if match and (not known or match["character"] in known):
            rows.append((file.path, match["character"], "test"))
    if not rows:
        raise DatasetError(
            "simpsons: --data must hold folders named after characters, or files such as bart_simpson_0.jpg; "
            f"{source.root} holds neither"
        )
    table = pd.DataFrame(rows, columns=["key", "label", "split"])
    if table["split"].nunique() == 1:
        table["split"] = None
    left_out = len(images) - len(rows)
    notes = [f"left out {counted(left_out, 'image')} of no known character"] if left_out else []
    notes += (
        [f"left out {counted(doubled, 'copy', 'copies')} of images that the data set holds twice"] if doubled else []
    )
    return table, tuple(notes)


def _is_test(file: SourceFile) -> bool:
    return "testset" in PurePosixPath(file.path).parent.name.lower()


def _without_copies(source: Source) -> tuple[list[SourceFile], int]:
    """Keeps one of the files that share folder, name and content: Kaggle's archive holds the whole data set twice."""
    alike: dict[tuple[str, str, int], list[SourceFile]] = {}
    for file in source.images:
        path = PurePosixPath(file.path)
        alike.setdefault((path.parent.name, path.name, file.size), []).append(file)
    kept: list[SourceFile] = []
    for files in alike.values():
        contents = [content_of(source.root / file.path) for file in files] if len(files) > 1 else [""]
        kept += dict(zip(reversed(contents), reversed(files), strict=True)).values()
    kept.sort(key=lambda file: file.path)
    return kept, len(source.images) - len(kept)


def _leave_out_rare(table: pd.DataFrame, least: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
    counts = table[table["split"] != "test"]["label"].value_counts()
    rare = sorted(str(label) for label in set(table["label"]) if counts.get(label, 0) < least)
    if not rare:
        return table, ()
    kept = table[~table["label"].isin(rare)].reset_index(drop=True)
    if kept.empty:
        most = f"the largest, {counts.index[0]}, has {counts.iloc[0]}" if len(counts) else "there are none"
        raise DatasetError(
            f"simpsons: no character has {counted(least, 'training image')} ({most}); "
            "lower the number with --min-images N"
        )
    named = ", ".join(f"{label} ({counts.get(label, 0)})" for label in rare)
    return kept, (f"left out characters with fewer than {counted(least, 'training image')}: {named}",)


def _min_images(options: Mapping[str, str]) -> int:
    text = options.get("min-images", str(DEFAULT_MIN_IMAGES))
    if not text.isdigit():
        raise SettingError(f"simpsons: --min-images must be a whole number of at least 0, but got '{text}'")
    return int(text)
