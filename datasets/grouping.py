"""Groups of images that the user names, such as those of a person or a video, read from a column or from the paths."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .arrays import EntryArrays
from .path_rules import PathRule, read_rule

_ALLOWED = "a column of the table, a folder level such as 1, or a pattern that matches every path"


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
        rule = PathRule(self.by, self.value)
        found = rule.names(name, "--group", _ALLOWED, arrays.origins().tolist())
        groups = first_rows("\0".join(parts) for parts in found)
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
    rule = read_rule("--group", _ALLOWED, group)
    return Grouping(rule.by, rule.value)


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
