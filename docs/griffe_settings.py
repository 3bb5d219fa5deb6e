"""Reads our docstrings for the API reference as they are meant.

A setting is declared with its help line, `setting(default, help, ...)`, and examples stand below the word `Example:`.
"""

from __future__ import annotations

import importlib
from typing import Any

from griffe import Attribute, Docstring, ExprCall, Extension, Object

from apertune.settings_fields import declarations


class SettingsExtension(Extension):
    """Gives an attribute that is declared with `setting` its help line, default and flag as its docstring."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Is called by griffe for everything that it has read."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")

    def on_attribute_instance(self, *, attr: Attribute, **_: Any) -> None:
        """Is called by griffe for each attribute that it has read."""
        if not isinstance(attr.value, ExprCall) or str(attr.value.function) != "setting" or attr.parent is None:
            return
        settings = getattr(importlib.import_module(attr.module.path), attr.parent.name)
        one = declarations(settings)[attr.name]
        words = [one.help]
        if one.shown_default:
            words.append(f"By default {one.shown_default}.")
        if one.choices:
            words.append(f"One of {', '.join(f'`{choice}`' for choice in one.choices)}.")
        if attr.docstring is not None:
            words.append(attr.docstring.value)
        attr.docstring = Docstring(f"{' '.join(words)} The flag is `--{one.flag}`.", parent=attr)
        attr.value = repr(one.default)
