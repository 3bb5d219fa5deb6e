"""Child processes that run a module of this package."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NoReturn

from .wording import FLAGS, TONGUE_VARIABLE


def module_command(module: str, *arguments: str) -> list[str]:
    """Returns the command that runs a module with this interpreter.

    Args:
        module: Dotted name, such as `apertune.search.training.worker`.
        arguments: Words after it.
    """
    return [sys.executable, "-m", module, *arguments]


def leave() -> NoReturn:
    """Ends this process with status 0 and without the interpreter's shutdown.

    That takes large libraries more than a second, and frameworks with threads of their own may hang or crash in it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def child_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns this process's environment for a child, with `variables` on top.

    A child never imports from its working folder, where a user's file may be called as a library is. What it says is
    left in the command's words, for this process to say in its own.
    """
    return {**os.environ, "PYTHONSAFEPATH": "1", TONGUE_VARIABLE: FLAGS, **(variables or {})}
