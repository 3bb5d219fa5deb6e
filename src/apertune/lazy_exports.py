"""Public names of a package that are imported on first use, so that a command and a worker start quickly."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any


def exported(package: str, modules: Mapping[str, str], name: str) -> Any:
    """Returns a name of a package, for the package's `__getattr__`.

    Args:
        package: the package's own name.
        modules: for each public name, the module of the package that defines it.
        name: the name that is looked up.

    Raises:
        AttributeError: the package has no such name.
    """
    if name not in modules:
        raise AttributeError(f"module '{package}' has no attribute '{name}'")
    return getattr(importlib.import_module(f".{modules[name]}", package), name)
