"""Groups of images that the user names, such as those of a person or a video, read from a column or from the paths."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError, SettingError
from ..text import counted
from .arrays import EntryArrays

_PATH_SHOWN = 80
_VALUE_SHOWN = 60


@dataclass(frozen=True)
class Grouping:
    """The rule that tells which images are of one group."""

    by: Literal["names", "level", "pattern"]
    """The source of the groups: names that the adapter read, a folder level, or a pattern."""
    value: str
    """For `names` their source in words, for `level` its number, for `pattern` the regular expression."""

    @property
    def words(self) -> str:
        """The rule in words, such as "column patient"."""
        return {"names": self.value, "level": f"folder level {self.value}", "pattern": f"pattern {self.value}"}[self.by]

    def rows(self, name: str, arrays: EntryArrays) -> NDArray[np.int64]:
        """The groups of a cache entry, found the first time and read from then on.

        Args:
            name: The data set, for messages.
            arrays: The arrays of the entry.

        Returns:
            int64 (n,): the first row of each one's group.

        Raises:
            SettingError: The rule tells nothing of some image.
        """
        if self.by == "names":
            return arrays.groups()
        file = f"groups-{hashlib.sha256(f'{self.by}/{self.value}'.encode()).hexdigest()[:16]}"
        known = arrays.computed(file, ("groups",))
        if known is not None:
            return known[0]
        find = _by_level if self.by == "level" else _by_pattern
        groups = first_rows(find(name, self.value, arrays.origins().tolist()))
        arrays.save_computed(file, groups=groups)
        return groups


def find_grouping(group: str | int | None, names_from: str | None) -> Grouping | None:
    """The rule that `--group` gives; without it that of the adapter, if it read names of groups.

    Args:
        group: The name of a column, a folder level or a pattern; None when the user gave none.
        names_from: The source, in words, of the names of groups in the cache entry; None when it has none.

    Raises:
        SettingError: The level is 0, or the pattern is no regular expression.
    """
    if names_from is not None and (group is None or names_from == column_words(str(group))):
        return Grouping("names", names_from)
    if group is None:
        return None
    text = str(group)
    if re.fullmatch(r"-?\d+", text):
        if int(text) == 0:
            raise SettingError("--group must be a folder level from 1 (the topmost) or -1 (the image's own), but got 0")
        return Grouping("level", str(int(text)))
    try:
        re.compile(text)
    except re.error as error:
        raise SettingError(f"--group must be {_ALLOWED}, but '{_cut(text)}' is no pattern: {error}") from error
    return Grouping("pattern", text)


def column_words(column: str) -> str:
    """The words for groups that a column of a table names."""
    return f"column {column}"


def first_rows(names: Iterable[str]) -> NDArray[np.int64]:
    """Numbers groups by their first rows.

    Args:
        names: The name of each row's group.

    Returns:
        int64 (n,).
    """
    first: dict[str, int] = {}
    return np.array([first.setdefault(each, row) for row, each in enumerate(names)], np.int64)


def check_groups(name: str, words: str, groups: NDArray[np.int64], classes: NDArray[np.integer], parts: int) -> None:
    """Refuses groups of which no split can be made.

    Args:
        name: The data set, for messages.
        words: The rule, in words.
        groups: int64 (n,).
        classes: int (n,), a class of each row.
        parts: Number of parts that the splits need.

    Raises:
        DatasetError: There are fewer groups than parts, or each class is one group.
    """
    found = len(np.unique(groups))
    if found < parts:
        raise DatasetError(
            f"{name}: --group must make at least {parts} groups, one for each split, but {words} makes {found}"
        )
    alone = [label for label in np.unique(classes) if len(np.unique(groups[classes == label])) == 1]
    if len(alone) == len(np.unique(classes)) == found:
        raise DatasetError(
            f"{name}: --group must cut classes into groups, but by {words} each class is one group, so that no split "
            "could hold all classes"
        )


_ALLOWED = "a column of the table, a folder level such as 1, or a pattern that matches every path"


def _by_level(name: str, value: str, origins: list[str]) -> list[str]:
    level = int(value)
    names = []
    for origin in origins:
        folders = origin.split("/")[:-1]
        if len(folders) < abs(level):
            deep = f"lies {counted(len(folders), 'folder')} deep" if folders else "lies in no folder"
            raise SettingError(f"{name}: --group {value} names a folder level, but {_cut(origin)} {deep}")
        names.append(folders[level - 1 if level > 0 else level])
    return names


def _by_pattern(name: str, value: str, origins: list[str]) -> list[str]:
    """Names each group by what the pattern's parentheses caught, or by the whole match without any."""
    pattern = re.compile(value)
    matches = [pattern.search(origin) for origin in origins]
    missed = [origin for origin, match in zip(origins, matches, strict=True) if match is None]
    if missed:
        found = "none" if len(missed) == len(origins) else f"{len(origins) - len(missed):,}"
        raise SettingError(
            f"{name}: --group must be {_ALLOWED}, but '{_cut(value, _VALUE_SHOWN)}' matches {found} of "
            f"{counted(len(origins), 'path')}; for example not {_cut(missed[0])}"
        )
    caught = [[part for part in match.groups() if part is not None] for match in matches if match is not None]
    whole = [match[0] for match in matches if match is not None]
    return ["\0".join(parts) if parts else match for parts, match in zip(caught, whole, strict=True)]


def _cut(text: str, most: int = _PATH_SHOWN) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
