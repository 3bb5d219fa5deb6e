"""Commands that other commands recommend: whole, with the flags that they need, quoted for a shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..text import hidden_command, hidden_word

if TYPE_CHECKING:
    from ..search.studies.data_source import DataSource

# Stands between the texts of a list where the flag takes one text, such as `--split 0.7/0.15/0.15`.
_BETWEEN = {"split": "/"}


def command(*words: object) -> str:
    """Returns a command to paste into a shell; passwords in its addresses become stars.

    Example:
        >>> command("promote", "folders", "--data", "my pictures")
        "apertune promote folders --data 'my pictures'"
    """
    return hidden_command(["apertune", *map(str, words)])


def data_words(source: DataSource) -> list[str]:
    """Returns the words of a command that open a data set: its name and its flags."""
    return [source.dataset, *_flag_words(source.flags)]


def holds_password(source: DataSource) -> bool:
    """Returns whether an address among the words has a part that may be shown to nobody and kept nowhere."""
    words = data_words(source)
    return any(hidden_word(word) != word for word in words)


def storage_words(storage: str | None) -> list[str]:
    """Returns the flag of the studies' database, where it was given."""
    return [] if storage is None else ["--storage", storage]


def _flag_words(flags: Mapping[str, Any]) -> list[str]:
    from .dataset_options import data_declarations

    words = []
    for name, declared in data_declarations().items():
        if name not in flags or flags[name] in (None, False, (), []):
            continue
        flag, value = f"--{declared.flag}", flags[name]
        if value is True:
            words.append(flag)
        elif isinstance(value, Mapping):
            for key, one in value.items():
                # TOML has true and false, which the flag calls yes and no.
                shown = {True: "yes", False: "no"}[one] if isinstance(one, bool) else one
                words += [flag, f"{key}={shown}"]
        elif isinstance(value, list | tuple):
            if declared.is_repeated:
                for one in value:
                    words += [flag, str(one)]
            else:
                words += [flag, _BETWEEN.get(name, ",").join(map(str, value))]
        else:
            words += [flag, str(value)]
    return words
