"""Names that the user reads from paths: those of a folder level, or what a pattern catches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import SettingError
from ..text import counted

_PATH_SHOWN = 80
_VALUE_SHOWN = 60


@dataclass(frozen=True)
class PathRule:
    """The rule that tells a name for each path."""

    by: Literal["level", "pattern"]
    """A folder level, or a regular expression."""
    value: str
    """The number of the level, 1 the topmost and -1 the file's own; or the expression."""

    def names(self, data: str, called: str, allowed: str, paths: Sequence[str]) -> list[tuple[str, ...]]:
        """Returns the names that each path holds: the level's folder, or what each pair of parentheses caught.

        Args:
            data: The data set, for messages.
            called: The setting that gave the rule, for messages.
            allowed: The rules that the setting takes, in words.
            paths: Paths with forward slashes.

        Raises:
            SettingError: The rule tells nothing of some path.
        """
        if self.by == "level":
            return [(self._folder(data, called, path),) for path in paths]
        pattern = re.compile(self.value)
        matches = [pattern.search(path) for path in paths]
        missed = [path for path, match in zip(paths, matches, strict=True) if match is None]
        if missed:
            found = "none" if len(missed) == len(paths) else f"{len(paths) - len(missed):,}"
            raise SettingError(
                f"{data}: {called} must be {allowed}, but '{_cut(self.value, _VALUE_SHOWN)}' matches {found} of "
                f"{counted(len(paths), 'path')}; for example not {_cut(missed[0])}"
            )
        # A pattern without parentheses names by its whole match.
        return [
            tuple(part for part in match.groups() if part is not None) or (match[0],)
            for match in matches
            if match is not None
        ]

    def _folder(self, data: str, called: str, path: str) -> str:
        level = int(self.value)
        folders = path.split("/")[:-1]
        if len(folders) < abs(level):
            deep = f"lies {counted(len(folders), 'folder')} deep" if folders else "lies in no folder"
            raise SettingError(f"{data}: {called} {self.value} names a folder level, but {_cut(path)} {deep}")
        return folders[level - 1 if level > 0 else level]


def read_rule(called: str, allowed: str, given: str | int) -> PathRule:
    """Reads a rule.

    Args:
        called: The setting, for messages.
        allowed: The rules that the setting takes, in words.
        given: A number, or a regular expression.

    Raises:
        SettingError: The level is 0, or the pattern is no regular expression.
    """
    text = str(given)
    if re.fullmatch(r"-?\d+", text):
        if int(text) == 0:
            raise SettingError(
                f"{called} must be a folder level from 1 (the topmost) or -1 (the image's own), but got 0"
            )
        return PathRule("level", str(int(text)))
    try:
        re.compile(text)
    except re.error as error:
        raise SettingError(f"{called} must be {allowed}, but '{_cut(text)}' is no pattern: {error}") from error
    return PathRule("pattern", text)


def _cut(text: str, most: int = _PATH_SHOWN) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
