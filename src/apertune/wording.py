"""One message in two tongues: the command's flags, and Python's arguments.

Messages are written in the command's words (`--space-option rescale=no`). In Python the same message speaks of
arguments (`space_options={'rescale': 'no'}`): errors are translated where they are shown (`ApertuneError.__str__`), and
lines for a person where a display prints them. The settings tell their names and kinds here as they are declared, so a
new flag needs nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Set for the processes that Apertune starts itself: what they say is shown by another process, in its own tongue.
TONGUE_VARIABLE = "APERTUNE_TONGUE"
FLAGS = "flags"

_tongue = [os.environ.get(TONGUE_VARIABLE, "")]


@dataclass(frozen=True)
class Argument:
    """A setting as Python calls it."""

    name: str
    """The argument's name."""
    is_table: bool = False
    """It takes names and values, which a flag takes as NAME=VALUE."""
    choices: tuple[str, ...] = ()
    """The texts that it takes, where there are only some."""


_arguments: dict[str, Argument] = {}

# Commands that messages recommend, each with the call that does the same.
_CALLS: Mapping[str, str | Callable[[re.Match[str]], str]] = {
    r"apertune search [\w-]+|apertune search\b": "apertune.tune(data)",
    r"apertune promote [\w-]+|apertune promote\b": "study.promote()",
    r"apertune sync\b": "apertune.sync()",
    r"apertune stop ([\w.-]+)": r"apertune.open_study('\1').stop()",
    r"apertune compare DATASET": "apertune.compare(NAME)",
    r"apertune compare ([\w.-]+)": r"apertune.compare('\1')",
}
# A flag, and the word after it where that may be its value.
_FLAG = re.compile(
    r"(?<![\w-])--(?P<flag>[a-z][a-z0-9-]*[a-z0-9])(?:(?P<gap>[ =])(?P<value>(?:[^\s,;:()']|,(?=[^\s,])|'[^']*')+))?"
)
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
# A space that was sent from Python has a name that no reader needs.
_SENT = re.compile(r"\bsent_[0-9a-f]{12}:(\w+)")


def speak_of_flags(*, flags: bool = True) -> None:
    """Lets this process speak of flags, as the command does, rather than of arguments."""
    _tongue[0] = FLAGS if flags else ""


def learn(flag: str, argument: Argument) -> None:
    """Notes the argument of a flag, given without its dashes."""
    _arguments[flag] = argument


def worded(text: str) -> str:
    """Returns a message, written in flags, in the words of this process.

    Example:
        >>> worded("there is no such space; --space takes package.module:Name")
        'there is no such space; space takes package.module:Name'
    """
    return text if _tongue[0] == FLAGS else in_python(text)


def in_python(text: str) -> str:
    """Returns a message, written in flags, as Python would say it."""
    text = _SENT.sub(r"\1", _FLAG.sub(_argument, text))
    for command, call in _CALLS.items():
        text = re.sub(command, call, text)
    return text


def _argument(found: re.Match[str]) -> str:
    flag, gap, value = found["flag"], found["gap"] or "", found["value"] or ""
    known = _arguments.get(flag)
    name = known.name if known else flag.replace("-", "_")
    end = value[len(value.rstrip(".")) :] if value.endswith(".") else ""
    value = value.removesuffix(end) if end else value
    key, equals, text = value.partition("=")
    if equals and key:
        plain = text.strip("'")
        return f"{name}={{{key!r}: {plain!r}}}{end}"
    if _NUMBER.fullmatch(value):
        return f"{name}={value}{end}"
    if re.fullmatch(r"[\d.]+(/[\d.]+)+", value):
        return f"{name}=({value.replace('/', ', ')}){end}"
    if known and value in known.choices:
        return f"{name}={value!r}{end}"
    return f"{name}{gap}{value}{end}" if value else name
