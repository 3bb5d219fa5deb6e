"""Options of samplers and pruners: how they are declared, and read from a user's text."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ...errors import SettingError, UnknownNameError

T = TypeVar("T")

# Larger whole numbers change nothing in a search, and Optuna cannot compute with some of them.
LARGEST = 1_000_000


@dataclass(frozen=True)
class Option:
    """A number that a sampler or pruner takes."""

    default: float | int
    """Its type, int or float, is the option's type."""
    meaning: str
    """One line for the documentation."""
    least: float = 0
    """Lower bound, allowed itself."""
    most: float = LARGEST
    """Upper bound, allowed itself."""


def read_options(whose: str, options: Mapping[str, Option], given: Mapping[str, str]) -> dict[str, Any]:
    """Returns the value of every option, by name, with the default of each that is not given.

    Args:
        whose: The sampler or pruner as a user types it, such as `--sampler tpe`.
        options: The options it has.
        given: The user's text, by name.

    Raises:
        UnknownNameError: For a name that is not among the options.
        SettingError: For a value that is no number or out of bounds, and for any option where there is none.
    """
    values: dict[str, Any] = {name: option.default for name, option in options.items()}
    for name, text in given.items():
        if name not in options:
            if not options:
                raise SettingError(f"{whose} has no options, but got {name}")
            raise UnknownNameError(f"option of {whose}", name, options)
        # A call from Python may give a number in place of text.
        values[name] = _read_option(f"{whose}: {name}", options[name], str(text))
    return values


def _read_option(what: str, option: Option, text: str) -> float | int:
    kind = type(option.default)
    got = text if len(text) <= 30 else f"{text[:30]}..."
    try:
        value = kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise SettingError(f"{what} must be {wanted}, but got '{got}'") from None
    # NaN fails every comparison, so it is refused here, too.
    if not option.least <= value <= option.most:
        raise SettingError(f"{what} must be from {option.least} to {option.most}, but got '{got}'")
    return value


def make_quietly(whose: str, make: Callable[[], T]) -> T:
    """Returns what `make` returns, without Optuna's warnings that a feature is experimental.

    Raises:
        SettingError: Where `make` raises a ValueError, with its text after `whose`.
    """
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        try:
            return make()
        except ValueError as error:
            raise SettingError(f"{whose}: {error}") from None
