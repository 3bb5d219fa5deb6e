"""Options of commands, made from the settings that a dataclass declares."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

from ..settings_fields import Declaration, declarations
from .completion import OF_FLAGS
from .known_words import KnownChoice
from .option_groups import in_group

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Settings = TypeVar("_Settings")


def setting_options(declared: Iterable[Declaration]) -> Callable[[_Command], _Command]:
    """Adds the option of each setting to a command, in this order; a value is None, or empty, when it is not given."""
    options = [setting_option(one) for one in declared]

    def add(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def setting_option(declared: Declaration) -> Callable[[_Command], _Command]:
    """Returns the option of one setting.

    It has no default of its own, so that a value in a file counts where the flag is not given.
    """
    words = declared.default_words
    shown = f"{declared.help} [default: {words}]" if words else declared.help
    if declared.is_flag:
        add = click.option(f"--{declared.flag}", is_flag=True, default=None, help=shown)
        return lambda command: in_group(declared.group)(add(command))
    add = click.option(
        f"--{declared.flag}",
        type=_click_type(declared),
        multiple=declared.is_repeated,
        metavar=declared.placeholder,
        help=shown,
        shell_complete=OF_FLAGS.get(declared.flag),
    )
    return lambda command: in_group(declared.group)(add(command))


def given_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the flags that the user gave."""
    return {name: value for name, value in flags.items() if value not in (None, ())}


def read_settings(settings: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values for a settings dataclass by field name, as far as they were given.

    Args:
        settings: the dataclass.
        given: values of flags, or of a file, by the flag's Python name.

    Raises:
        SettingError: a value is of another type than its setting.
    """
    return {
        one.name: one.read(f"--{one.flag}", given[one.parameter])
        for one in declarations(settings).values()
        if one.parameter in given
    }


def made_from(settings: type[_Settings], given: Mapping[str, Any]) -> _Settings:
    """Returns a settings dataclass made from the values that were given; see `read_settings`."""
    return settings(**read_settings(settings, given))


def without(given: Mapping[str, Any], *settings: type) -> dict[str, Any]:
    """Returns the values that belong to none of these settings dataclasses."""
    own = by_parameter(*settings)
    return {name: value for name, value in given.items() if name not in own}


def by_parameter(*settings: type) -> dict[str, Declaration]:
    """Returns the settings of several dataclasses by the name that click and a file use for them."""
    return {one.parameter: one for kind in settings for one in declarations(kind).values()}


def _click_type(declared: Declaration) -> Any:
    """Returns the type that click checks, for numbers and choices; the settings check the rest, as for a file."""
    if declared.choices is not None:
        return KnownChoice(declared.choices)
    first = declared.alternatives[0]
    if typing.get_origin(first) is typing.Literal:
        values = typing.get_args(first)
        return int if isinstance(values[0], int) else KnownChoice(values)
    return first if first in (int, float) else str
