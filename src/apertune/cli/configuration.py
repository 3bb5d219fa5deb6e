"""Settings from a TOML file, with the names of the flags."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import SettingError, UnknownNameError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# (name of the flag with `_` for `-`, what the user calls the setting, its value) to the value as it is declared.
Reader = Callable[[str, str, Any], Any]


def read_configuration(path: Path | None, known: set[str], read: Reader) -> dict[str, Any]:
    """The file's settings by flag name, with `_` for `-`, each as `read` returns it.

    Raises SettingError for what no flag is called and for a value that is not the setting's; the line names the file
    and the setting.
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
        # No TOML, no UTF-8, or a number of thousands of digits.
        raise SettingError(f"{path} is not a TOML file: {error}") from None
    settings = {}
    for written, value in document.items():
        name = written.replace("-", "_")
        if name not in known:
            raise UnknownNameError(f"setting in {path}", written, (flag.replace("_", "-") for flag in known))
        settings[name] = read(name, f"{path}: {written}", value)
    return settings


def assignments(called: str, given: Any) -> dict[str, Any]:
    """Reads NAME=VALUE words, one of them, or a TOML table of the same.

    called: the setting, as the user knows it. Raises SettingError for what is none of these.
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
