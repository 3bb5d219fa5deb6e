"""Settings from a TOML file, with the names of the flags."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ..errors import SettingError, UnknownNameError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_configuration(path: Path | None, known: set[str]) -> dict[str, Any]:
    """The file's settings by flag name, with `_` for `-`. Raises SettingError for what no flag is called."""
    if path is None:
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingError(f"--config names a file that is not there: {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is not a TOML file: {error}") from None
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from None
    settings = {name.replace("-", "_"): value for name, value in document.items()}
    for name in settings:
        if name not in known:
            raise UnknownNameError(f"setting in {path}", name.replace("_", "-"), (k.replace("_", "-") for k in known))
    return settings
