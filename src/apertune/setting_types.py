"""Checks the values of settings against the types that their dataclasses declare."""

from __future__ import annotations

import collections.abc
import math
import os
import types
import typing
from dataclasses import Field, fields
from typing import Any

from .errors import SettingError

_ONE = {int: "a whole number", float: "a finite number", str: "text", bool: "true or false"}
_MANY = {int: "whole numbers", float: "finite numbers", str: "texts"}
_SHOWN_CHARACTERS = 60


def check_types(settings: Any) -> None:
    """Checks each field and puts the value that `checked` returns in its place.

    settings: a frozen dataclass, in its `__post_init__`. Raises SettingError, which calls a field by its flag.
    """
    declared = declared_types(type(settings))
    for field in fields(settings):
        value = checked(f"--{flag_of(field)}", declared[field.name], getattr(settings, field.name))
        object.__setattr__(settings, field.name, value)


def flag_of(field: Field[Any]) -> str:
    """What the flag of a field is called, without the dashes: as its metadata says under `flag`, else as the field."""
    return str(field.metadata.get("flag", field.name.replace("_", "-")))


def declared_types(settings: type) -> dict[str, Any]:
    """The types of a dataclass's fields by name."""
    return typing.get_type_hints(settings)


def checked(called: str, declared: Any, value: Any) -> Any:
    """The value as the declared type has it: a list becomes a tuple, a whole number a float where that is declared, and
    what a table holds texts. Raises SettingError for a value of another type, NaN and infinity.

    called: how the user knows the setting, such as `--trials` or `search.toml: trials`.
    """
    for kind in _alternatives(declared):
        try:
            return _fitted(kind, value)
        except (ValueError, OverflowError):
            continue
    wanted = " or ".join(_words(kind) for kind in _alternatives(declared) if kind is not types.NoneType)
    shown = repr(value)
    cut = shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}..."
    raise SettingError(f"{called} must be {wanted}, but got {cut}")


def _alternatives(declared: Any) -> tuple[Any, ...]:
    union = typing.get_origin(declared) in (typing.Union, types.UnionType)
    return typing.get_args(declared) if union else (declared,)


def _fitted(kind: Any, value: Any) -> Any:
    """Raises ValueError for a value of another kind, OverflowError for a whole number too large for a float."""
    origin = typing.get_origin(kind)
    if origin is tuple:
        return _fitted_tuple(typing.get_args(kind), value)
    if origin is collections.abc.Mapping and isinstance(value, collections.abc.Mapping):
        return {_fitted(str, name): _text(one) for name, one in value.items()}
    if origin is typing.Literal:
        if any(type(one) is type(value) and one == value for one in typing.get_args(kind)):
            return value
    elif kind is float:
        # Of Python's numbers True is one, too.
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    elif origin is None and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise ValueError(value)


def _fitted_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(value)
    each = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
    if len(each) != len(value):
        raise ValueError(value)
    return tuple(_fitted(kind, one) for kind, one in zip(each, value, strict=True))


def _text(value: Any) -> str:
    """What a user would write for one value of a table."""
    if isinstance(value, list | tuple) and value:
        return ",".join(_text(one) for one in value)
    if isinstance(value, str | int | float | os.PathLike):
        return str(value)
    raise ValueError(value)


def _words(kind: Any) -> str:
    if kind in _ONE:
        return _ONE[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        count = "" if arguments[-1] is Ellipsis else f"{len(arguments)} "
        return f"a list of {count}{_MANY[arguments[0]]}"
    if origin is typing.Literal:
        *first, last = map(str, arguments)
        return f"{', '.join(first)} or {last}"
    return "a table of names and values"
