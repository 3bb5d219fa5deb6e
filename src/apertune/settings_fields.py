"""Settings declared once: a dataclass's field says its flag, its help, its bounds and how its text is read.

The checks, the options of the command line, the names in a TOML file and the table in docs/searching.md are all made
from that. pydantic, which MLflow brings, would check the same types, but importing it and making one class of 34 fields
takes 110 ms, as long as all of `apertune search --help` does; and its messages of several lines, which name the field
and not the flag, would have to be written anew.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import math
import os
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from .errors import SettingError, UnknownNameError
from .wording import Argument, learn

T = TypeVar("T")

# Takes what the user calls the setting, and a flag's text or a file's value; returns a value to check.
Reader = Callable[[str, Any], Any]

_ONE = {int: "a whole number", float: "a finite number", str: "text", bool: "true or false"}
_MANY = {int: "whole numbers", float: "finite numbers", str: "texts"}
_SHOWN_CHARACTERS = 60
_KEY = "setting"


@dataclass(frozen=True)
class Declaration:
    """One setting: a field of a dataclass, and what was declared with it."""

    help: str
    """The help line: a whole imperative sentence."""
    name: str = ""
    """The field's name in Python."""
    flag: str = ""
    """The flag without its dashes, which a TOML file uses, too; made from the name unless given."""
    type: Any = None
    """The type that the field is declared with."""
    default: Any = None
    """The field's default."""
    shown_default: str | None = None
    """The default in words, where the value does not say it."""
    metavar: str | None = None
    """The text that stands for the value in the help."""
    choices: tuple[str, ...] | None = None
    """The only texts allowed."""
    least: float | None = None
    """The smallest number allowed."""
    most: float | None = None
    """The largest number allowed."""
    positive: bool = False
    """True where a number must be more than 0."""
    reader: Reader | None = None
    """Reads what the user wrote, where that may be of another type than the declared one."""
    recorded: bool = True
    """False where neither MLflow nor `repr` may show the value, since it may hold a password."""
    rerun: bool = False
    """True where a trial that is trained again takes the value from MLflow."""
    reference: Literal["kept", "default", "own"] = "kept"
    """The value for a published reference: the search's, the default, or one of the reference's own."""
    group: str = ""
    """The heading of the help under which the option stands."""

    @property
    def parameter(self) -> str:
        """The flag as a Python name, as click calls it."""
        return self.flag.replace("-", "_")

    @property
    def alternatives(self) -> tuple[Any, ...]:
        """The declared type's parts, where it is a union; else the type alone."""
        return _alternatives(self.type)

    @property
    def is_flag(self) -> bool:
        """True for a flag without a value."""
        return self.type is bool

    @property
    def is_table(self) -> bool:
        """True for a setting of names and values."""
        return any(map(_is_table, self.alternatives))

    @property
    def placeholder(self) -> str | None:
        """The text that stands for the value in help and docs."""
        return self.metavar or ("NAME=VALUE" if self.is_table else None)

    @property
    def is_repeated(self) -> bool:
        """True where the flag may be given several times."""
        return self.is_table or tuple[str, ...] in self.alternatives

    def read(self, called: str, value: Any) -> Any:
        """Returns a flag's text, or a file's value, as a value of the declared type.

        Args:
            called: what the user calls the setting, such as `--trials` or `search.toml: trials`.
            value: what the user wrote.

        Raises:
            SettingError: the value is of another type.
        """
        reader = self.reader or (assignments if self.is_table else None)
        return checked(called, self.type, value if reader is None else reader(called, value))

    def check(self, value: Any) -> None:
        """Raises SettingError, which names the flag, for a value out of the bounds or not among the choices."""
        if value is None:
            return
        if self.choices is not None and value not in self.choices:
            raise UnknownNameError(self.flag.replace("-", " "), value, self.choices)
        if rule := self._broken_rule(value):
            raise SettingError(f"--{self.flag} must be {rule}, but got {value}")

    def _broken_rule(self, value: Any) -> str:
        low, high = self.least, self.most
        if self.positive and value <= 0:
            return "more than 0"
        if (low is not None and value < low) or (high is not None and value > high):
            return self.bounds
        return ""

    @property
    def bounds(self) -> str:
        """The numbers allowed, in words; empty without bounds."""
        if self.least is not None and self.most is not None:
            return f"from {self.least} to {self.most}"
        if self.least is not None:
            return f"at least {self.least}"
        if self.most is not None:
            return f"at most {self.most}"
        return "more than 0" if self.positive else ""

    @property
    def default_words(self) -> str:
        """The default as help and docs show it; empty where nothing is set."""
        if self.shown_default is not None:
            return self.shown_default
        if self.default is None or self.default is False or isinstance(self.default, Mapping):
            return ""
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


def setting(
    default: T,
    help_text: str,
    *,
    flag: str = "",
    shown_default: str | None = None,
    metavar: str | None = None,
    choices: tuple[str, ...] | None = None,
    least: float | None = None,
    most: float | None = None,
    positive: bool = False,
    reader: Reader | None = None,
    recorded: bool = True,
    rerun: bool = False,
    reference: Literal["kept", "default", "own"] = "kept",
    group: str = "",
) -> T:
    """Declares a field of a settings dataclass; `Declaration` explains the arguments.

    Returns:
        A dataclass field, which type checkers take for its default.
    """
    declared = Declaration(
        help=help_text,
        flag=flag,
        shown_default=shown_default,
        metavar=metavar,
        choices=choices,
        least=least,
        most=most,
        positive=positive,
        reader=reader,
        recorded=recorded,
        rerun=rerun,
        reference=reference,
        group=group,
    )
    made: Any
    if isinstance(default, dict):
        made = dataclasses.field(default_factory=default.copy, metadata={_KEY: declared}, repr=recorded)
    else:
        made = dataclasses.field(default=default, metadata={_KEY: declared}, repr=recorded)
    return typing.cast(T, made)


@functools.cache
def declarations(settings: type) -> Mapping[str, Declaration]:
    """Returns the settings that a dataclass declares, by field name."""
    kinds = typing.get_type_hints(settings)
    found = {}
    for field in dataclasses.fields(settings):
        declared: Declaration = field.metadata[_KEY]
        factory = field.default_factory
        found[field.name] = dataclasses.replace(
            declared,
            name=field.name,
            flag=declared.flag or field.name.replace("_", "-"),
            type=kinds[field.name],
            default=field.default if factory is dataclasses.MISSING else factory(),
        )
        made = found[field.name]
        learn(made.flag, Argument(field.name, made.is_table, made.choices or ()))
    return found


def check(settings: Any) -> None:
    """Checks each field of a frozen dataclass in its `__post_init__`, and keeps it as the type is declared.

    Raises:
        SettingError: a value has another type than declared, is out of its bounds, or is not among its choices; the
            message calls the field by its flag.
    """
    kind: type = type(settings)
    declared = declarations(kind)
    for name, one in declared.items():
        object.__setattr__(settings, name, checked(f"--{one.flag}", one.type, getattr(settings, name)))
    for name, one in declared.items():
        one.check(getattr(settings, name))


def checked(called: str, declared: Any, value: Any) -> Any:
    """Returns the value converted to the declared type.

    A list becomes a tuple, a whole number a float where that is declared, and the values of a table become texts.

    Args:
        called: what the user calls the setting, such as `--trials` or `search.toml: trials`.
        declared: the type.
        value: what was given.

    Raises:
        SettingError: the value is of another type, NaN or infinite.
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


def assignments(called: str, given: Any) -> dict[str, Any]:
    """Reads NAME=VALUE words, one such word, or a TOML table of the same.

    Args:
        called: what the user calls the setting.
        given: what the user wrote.

    Raises:
        SettingError: it is none of these.
    """
    if isinstance(given, Mapping):
        return dict(given)
    pairs = {}
    for word in given if isinstance(given, list | tuple) else (given,):
        name, equals, value = word.partition("=") if isinstance(word, str) else ("", "", "")
        if not (name.strip() and equals and value):
            raise SettingError(f"{called} must be NAME=VALUE, but got {word!r}")
        pairs[name.strip()] = value
    return pairs


def _is_table(kind: Any) -> bool:
    return typing.get_origin(kind) is collections.abc.Mapping


def _alternatives(declared: Any) -> tuple[Any, ...]:
    union = typing.get_origin(declared) in (typing.Union, types.UnionType)
    return typing.get_args(declared) if union else (declared,)


def _fitted(kind: Any, value: Any) -> Any:
    """Raises ValueError for a value of another kind, OverflowError for a whole number too large for a float."""
    origin = typing.get_origin(kind)
    if origin is tuple:
        return _fitted_tuple(typing.get_args(kind), value)
    if _is_table(kind) and isinstance(value, Mapping):
        fitted = _text if typing.get_args(kind)[1] is str else functools.partial(_fitted, typing.get_args(kind)[1])
        return {_fitted(str, name): fitted(one) for name, one in value.items()}
    if origin is typing.Literal:
        if any(type(one) is type(value) and one == value for one in typing.get_args(kind)):
            return value
    elif kind is float:
        # In Python, True is a number, too.
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
    """Returns one value of a table as a user would write it."""
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
    return "a table of names and values" if arguments[1] is str else f"a table of names and {_MANY[arguments[1]]}"
