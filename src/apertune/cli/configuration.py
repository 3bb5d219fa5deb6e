"""Reads settings from a TOML file, in which they have the names of their flags."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import SettingError, UnknownNameError
from ..settings_fields import Declaration

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_configuration(path: Path | None, known: Mapping[str, Declaration]) -> dict[str, Any]:
    """Returns the file's settings, of the types declared, by the flag's Python name.

    Args:
        path: the file; without one there are no settings.
        known: the settings that a file may hold, by the same names.

    Raises:
        SettingError: the file cannot be read, a setting is unknown, or a value is of another type than its setting;
            the message names the file and the setting.
    """
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingError(f"--config names a file that is not there: {path}") from None
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        # Not TOML, not UTF-8, or a number of thousands of digits.
        raise SettingError(f"{path} is not a TOML file: {error}") from None
    settings = {}
    for written, value in document.items():
        name = written.replace("-", "_")
        if name not in known:
            raise UnknownNameError(f"setting in {path}", written, (one.flag for one in known.values()))
        settings[name] = known[name].read(f"{path}: {written}", value)
    return settings
