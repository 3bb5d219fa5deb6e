"""Settings made of a function's keyword arguments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..errors import UnknownNameError
from ..search.settings import Home, make_home
from ..settings_fields import declarations

_Settings = TypeVar("_Settings")


def settings_from(kind: type[_Settings], given: Mapping[str, Any]) -> _Settings:
    """Makes settings of arguments; text and lists are read as the command reads them, such as `split="0.8/0.1/0.1"`.

    Args:
        kind: The settings' dataclass.
        given: Values by field name.

    Raises:
        SettingError: A value is wrong.
    """
    settings: type = kind
    known = declarations(settings)
    return kind(
        **{
            name: known[name].read(f"--{known[name].flag}", value) if isinstance(value, str | list | tuple) else value
            for name, value in given.items()
        }
    )


def home_in(folder: str | Path | None, storage: str | None = None) -> Home:
    """Returns the home that `home` and `storage` name.

    Args:
        folder: The folder of studies and results; `mlflow` in the working directory unless given.
        storage: The Optuna storage URL of the studies; a file in that folder unless given.
    """
    return make_home(os.environ, root=None if folder is None else Path(folder).expanduser(), storage=storage)


def part_of(kind: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those arguments that are settings of a kind."""
    known = declarations(kind)
    return {name: value for name, value in given.items() if name in known}


def refuse_unknown(given: Iterable[str], *kinds: type, others: Iterable[str] = ()) -> None:
    """Refuses arguments that are settings of none of these kinds.

    Args:
        given: Names of arguments.
        kinds: Dataclasses of settings.
        others: Further names that are known.

    Raises:
        UnknownNameError: There is such an argument.
    """
    known = {name for kind in kinds for name in declarations(kind)} | set(others)
    for name in given:
        if name not in known:
            raise UnknownNameError("argument", name, known)
