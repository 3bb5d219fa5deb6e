"""Imports a framework without the libraries that it takes along for what no worker does.

Keras imports scikit-learn for its wrappers, matplotlib for its galleries and IPython to show files, wherever they are
installed. That is a fifth of a worker's memory, and a third of the time until it is ready. It also imports pandas, and
keeps it: a user's own training may pass a table to `fit`.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

LEFT_OUT = ("sklearn", "matplotlib", "IPython")


class _Refusing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds certain libraries, as they are installed, and fails to import them, as if they were not."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(fullname, self) if fullname in self._names else None

    def exec_module(self, module: ModuleType) -> None:
        raise ModuleNotFoundError(f"{module.__name__} is not imported along with a framework", name=module.__name__)


@contextlib.contextmanager
def left_out(names: Sequence[str] = LEFT_OUT) -> Iterator[None]:
    """Lets no import in the context take these libraries along; those that have them only as an option do without.

    Later imports of them work as ever, and those that were imported before stay.
    """
    finder = _Refusing(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
