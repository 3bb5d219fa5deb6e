"""Recognition of ready-made splits in folders: `train/cat`, `seg_train/seg_train/forest`, `cat/train`, `Test` beside.

A top folder is a split folder by its name and by what it holds, since a class may be called `train` as well.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ...errors import DatasetError
from ...text import counted, some_of
from ..names import SPLIT_NAMES

_WORDS = {
    **SPLIT_NAMES,
    **{"trainset": "train", "testset": "test", "eval": "validation"},
    # FER2013's names.
    **{"publictest": "validation", "privatetest": "test"},
}
Parts = tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """The folders of images, sorted into splits and classes."""

    splits: list[str | None]
    """The split of each image; None in all of them without split folders."""
    folders: list[Parts]
    """The folders of each image below its split, the class first; empty for an image that is left out."""
    left_out: int = 0
    """Images of folders that are neither a split nor a class."""
    notes: tuple[str, ...] = ()
    """Lines that the user should read."""


def find_layout(folders: Sequence[Parts]) -> Layout:
    """Finds splits and classes in the folders of the images.

    Args:
        folders: The folders of each image, outermost first, at least one each.

    Raises:
        DatasetError: Beside split folders lie others that cannot be told.
    """
    folders = strip_common(list(folders))
    below = _splits_below_classes(folders)
    if below is not None:
        return below
    tops = _Tops(folders)
    train = [name for name in tops.names if split_of(name) == "train" and tops.has_classes(name)]
    if not train or len(tops.names) == len(train) == 1:
        return Layout([None] * len(folders), folders)
    classes = set().union(*(tops.classes(name) for name in train))
    others = [name for name in tops.names if name not in train]
    if all(split_of(name) is None for name in others) and any(tops.classes(name) - classes - {name} for name in others):
        # A class may be called `train`, as among vehicles.
        return Layout([None] * len(folders), folders)
    splits: list[str | None] = [None] * len(folders)
    inner: list[Parts] = [()] * len(folders)
    left: list[str] = []
    for name in tops.names:
        split = split_of(name)
        if split is not None and tops.has_classes(name):
            for row, parts in zip(tops.rows[name], tops.inner(name), strict=True):
                splits[row], inner[row] = split, parts
        elif not tops.has_classes(name) or _repeats(tops, name, classes):
            left.append(name)
        else:
            raise DatasetError(_unknown(tops, name, train))
    if set(splits) <= {"train", None}:
        splits = [None] * len(folders)
    images = sum(len(tops.rows[name]) for name in left)
    return Layout(splits, inner, images, _notes(tops, left, images))


def split_of(name: str) -> str | None:
    """Returns the split that a folder's name says, such as "train" for `seg_train`, `training-set` and `Train1`."""
    found = {_WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _WORDS}
    return found.pop() if len(found) == 1 else None


def split_of_file(path: str) -> str | None:
    """Returns the split that the name of a table or list says, or else that of its folder."""
    plain = PurePosixPath(path)
    return split_of(plain.stem) or split_of(plain.parent.name)


def split_above(folders: Iterable[str]) -> str | None:
    """Returns the split that the outermost of some folders says which says any."""
    return next((split for name in folders if (split := split_of(name)) is not None), None)


def are_stated(splits: Collection[str | None]) -> bool:
    """Returns whether images are divided: each has a split, some are for training, and some are not."""
    return None not in splits and "train" in splits and len(set(splits)) > 1


def strip_common(folders: list[Parts]) -> list[Parts]:
    """Removes the leading folders that all images share, as long as each image keeps a folder."""
    while folders and min(map(len, folders)) > 1 and len({parts[0] for parts in folders}) == 1:
        folders = [parts[1:] for parts in folders]
    return folders


class _Tops:
    """The outermost folders, with the images in each."""

    def __init__(self, folders: Sequence[Parts]) -> None:
        self._folders = folders
        self.rows: dict[str, list[int]] = {}
        for row, parts in enumerate(folders):
            self.rows.setdefault(parts[0], []).append(row)
        self.names = sorted(self.rows)

    def inner(self, name: str) -> list[Parts]:
        """The folders of a top folder's images below it, without a folder that all of them share."""
        below = [self._folders[row][1:] for row in self.rows[name]]
        deep = strip_common([parts for parts in below if parts])
        stripped = iter(deep)
        return [next(stripped) if parts else () for parts in below]

    def classes(self, name: str) -> set[str]:
        return {parts[0] for parts in self.inner(name) if parts}

    def has_classes(self, name: str) -> bool:
        """Returns whether a top folder holds folders of images rather than images."""
        inner = self.inner(name)
        return sum(map(bool, inner)) > len(inner) / 2 and len(self.classes(name)) > 1


def _splits_below_classes(folders: list[Parts]) -> Layout | None:
    """Returns the layout of `cat/train`, `cat/test`, `dog/train` and so on; None for any other."""
    if not all(len(parts) > 1 for parts in folders) or len({parts[0] for parts in folders}) < 2:
        return None
    second = {parts[1] for parts in folders}
    exact = {name: _WORDS.get(name.lower()) for name in second}
    if None in exact.values() or "train" not in exact.values() or len(set(exact.values())) < 2:
        return None
    if any(split_of(parts[0]) for parts in folders):
        return None
    return Layout([exact[parts[1]] for parts in folders], [(parts[0],) for parts in folders])


def _repeats(tops: _Tops, name: str, classes: set[str]) -> bool:
    """Returns whether a folder repeats the whole set (`chest_xray/chest_xray`) or some of it (`sample/cat`)."""
    inside = tops.classes(name)
    return inside <= classes or all(split_of(part) is not None for part in inside)


def _unknown(tops: _Tops, name: str, train: Sequence[str]) -> str:
    seen = "; ".join(f"{top}: {some_of(sorted(tops.classes(top)))}" for top in (*train, name))
    return (
        f"--data must hold split folders alone or class folders alone, but {', '.join(train)} looks like a split and "
        f"'{name}' like neither a split nor a class ({seen}); move it away, or give the folder of one split with --data"
    )


def _notes(tops: _Tops, left: Sequence[str], images: int) -> tuple[str, ...]:
    if not left:
        return ()
    flat = Counter(not tops.has_classes(name) for name in left)
    why = "hold images without class folders" if flat[True] == len(left) else "are no split with classes of its own"
    if len(left) == 1:
        why = why.replace("hold ", "holds ").replace("are ", "is ")
    return (f"left out {counted(images, 'image')} of {some_of(left)}, which {why}",)
