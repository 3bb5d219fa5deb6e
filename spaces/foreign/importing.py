"""Import of the module that a user's space lies in, without the side effects that a script for another tuner has."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
from keras_tuner.engine.base_tuner import BaseTuner

from ...errors import SpaceError, UnknownNameError
from ...text import first_line
from .sent import is_sent, sent_object

# Dtype policies that modules set when they were imported, which happens once per process, though trials come and go.
_policies: dict[str, Any] = {}


class _StartedAtImportError(BaseException):
    """Leaves an import that starts a search; no `except Exception` of the module is to catch it."""


def import_space(name: str) -> Any:
    """Returns the object that `package.module:Name` names, in the current folder or installed, or that was sent.

    A dtype policy that the module sets holds from then on, each time that the space is loaded.

    Args:
        name: The space's module and name.

    Raises:
        UnknownNameError: The module has no such name.
        SpaceError: The module is not there, fails, or does work of its own when it is imported.
    """
    if is_sent(name):
        return sent_object(name)
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        # Last, so that a file in the folder never replaces an installed package.
        sys.path.append(here)
    module = _imported(module_name)
    if module_name in _policies:
        keras.config.set_dtype_policy(_policies[module_name])
    if not hasattr(module, attribute):
        public = (known for known in vars(module) if not known.startswith("_"))
        raise UnknownNameError(f"name in {module_name}", attribute, public)
    return getattr(module, attribute)


def _imported(module_name: str) -> Any:
    before = keras.config.dtype_policy()
    guarded = 'put it below `if __name__ == "__main__":`, so that the module can be imported for its space'
    try:
        with _no_searches(module_name), _arguments_of(module_name):
            module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise SpaceError(f"{module_name} needs the module '{error.name}', which is not installed") from error
        raise SpaceError(
            f"there is no module '{module_name}' in this folder or installed; --space takes package.module:Name"
        ) from error
    except _StartedAtImportError as error:
        raise SpaceError(f"{module_name} calls {error} when it is imported; {guarded}") from None
    except SystemExit as error:
        raise SpaceError(
            f"{module_name} ends the program when it is imported (status {error.code}), as a script does that parses "
            f"its arguments; {guarded}"
        ) from None
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise SpaceError(f"importing {module_name} failed: {reason}{download_advice(error)}") from error
    if keras.config.dtype_policy() != before:
        _policies[module_name] = keras.config.dtype_policy()
    return module


def download_advice(error: BaseException) -> str:
    """Returns what to do about weights that cannot be fetched; empty for any other error."""
    if "URL fetch failure" not in str(error):
        return ""
    return "; put the file into ~/.keras/models by hand, or build the network with weights=None"


@contextlib.contextmanager
def _no_searches(module_name: str) -> Iterator[None]:
    """Makes the searches of KerasTuner and Optuna raise an error, since a worker must not run another tuner's."""
    search_methods: list[tuple[Any, str]] = [(BaseTuner, "search")]
    if "optuna" in _source(module_name):
        search_methods.append((importlib.import_module("optuna").Study, "optimize"))
    before = [getattr(owner, method) for owner, method in search_methods]
    for owner, method in search_methods:
        setattr(owner, method, functools.partial(_refuse, f"{owner.__name__}.{method}"))
    try:
        yield
    finally:
        for (owner, method), original in zip(search_methods, before, strict=True):
            setattr(owner, method, original)


def _source(module_name: str) -> str:
    """Returns the text of a module that is a file; empty for any other, or where it is already imported."""
    if module_name in sys.modules:
        return ""
    found = importlib.util.find_spec(module_name)
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        return ""
    return Path(found.origin).read_text(encoding="utf-8", errors="replace")


def _refuse(called: str, *arguments: Any, **keywords: Any) -> None:
    raise _StartedAtImportError(called)


@contextlib.contextmanager
def _arguments_of(module_name: str) -> Iterator[None]:
    """Hides this process's arguments, which are not for the module."""
    before = sys.argv
    sys.argv = [module_name]
    try:
        yield
    finally:
        sys.argv = before
