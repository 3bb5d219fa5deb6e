"""Versions of installed packages, and of Apertune itself where a checkout is used as it lies."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def installed_version(package: str) -> str | None:
    """Returns the version of a package, or None if it is not installed.

    A checkout on the import path has no package metadata, so its own version is read from its project file.

    Args:
        package: Name of the distribution.
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return _of_checkout() if package == "apertune" else None


def _of_checkout() -> str | None:
    try:
        found = re.search(r'^version = "([^"]+)"$', PROJECT.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return found[1] if found else None
