"""Every error that Apertune raises on purpose.

    ApertuneError            the work failed (exit status 1)
    └── UserError            the settings or the data are wrong (exit status 2)
        ├── SettingError     a flag, a configuration file or an argument
        │   ├── UnknownNameError   a name that is not in its table
        │   └── MissingExtraError  an optional package is not installed
        ├── DatasetError     the images, labels or files given
        ├── SpaceError       the search space or a value given for it
        ├── StudyError       a study that is missing, busy or made for something else
        └── ModelError       a model whose files are missing, altered, unsafe or not loadable

A message is one line (or one line and a short list): the rule, the value received, the way out.
The command line prints it without a traceback. It is written in the command's words; in Python the same message speaks
of arguments instead of flags (see `wording`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from .wording import worded


class ApertuneError(Exception):
    """The work failed."""

    exit_status = 1
    details: Sequence[str] = ()
    """Further lines, each about one of the things that the message counts."""

    def __str__(self) -> str:
        return "\n  ".join((self.line, *self.details))

    @property
    def line(self) -> str:
        """The message in one line, in the words of this process, without its details."""
        return worded(self.message)

    @property
    def message(self) -> str:
        """The message in the command's words, for another process, which says it in its own."""
        return super().__str__()


class UserError(ApertuneError):
    """The settings or the data are wrong."""

    exit_status = 2


class SettingError(UserError):
    """A flag, a configuration file or an argument is wrong."""


class UnknownNameError(SettingError):
    """A name is not in its table; the message lists the known ones and suggests the nearest."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        super().__init__(f"unknown {kind} '{name}'; {hint}Known: {', '.join(names)}.")


class MissingExtraError(SettingError):
    """An optional package is not installed; the message names the commands that install it from a checkout."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs an optional package; {install_hint(extra)}")


def install_hint(extra: str) -> str:
    """Returns the commands that install the optional packages of an extra from a checkout."""
    return f"in Apertune's checkout type: uv sync --extra {extra} (without uv: pip install '.[{extra}]')"


class DatasetError(UserError):
    """The images, labels or files given cannot be used as they are."""


class SpaceError(UserError):
    """The search space, or a value given for it, is wrong."""

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.details = details


class StudyError(UserError):
    """A study is missing, busy, or was made for something else."""


class ModelError(UserError):
    """A model's files are missing, altered, unsafe, or cannot be loaded."""
