"""Advice on the mistakes that are often made in a model-building function, each in one line."""

from __future__ import annotations

import re

from .importing import download_advice

_SUGGESTED = re.compile(r"has no attribute '(suggest_\w+)'")
_UNDECLARED = re.compile(r"^'?(.+?) does not exist\.?'?$")
_PORTED = {
    "suggest_int": "hp.Int(name, low, high)",
    "suggest_float": "hp.Float(name, low, high)",
    "suggest_categorical": "hp.Choice(name, values)",
}


def build_advice(name: str, error: Exception) -> str | None:
    """Returns what is wrong with a function that raised an error, and what to write; None for an unknown mistake.

    Args:
        name: The user's name of the space.
        error: The error that building the model raised.
    """
    text = str(error)
    if found := _SUGGESTED.search(text):
        instead = _PORTED.get(found.group(1), "hp.Int, hp.Float, hp.Choice or hp.Boolean")
        return (
            f"{name} is an objective for Optuna (it calls {found.group(1)}): write build(hp) in its place, which "
            f"returns the compiled model and does not train it; trial.{found.group(1)} becomes {instead}"
        )
    if isinstance(error, KeyError) and (found := _UNDECLARED.match(text)):
        return (
            f"{name} calls hp.get('{found.group(1)}'), but nothing declares that hyperparameter before: call hp.Int, "
            "hp.Float, hp.Choice, hp.Boolean or hp.Fixed of that name first"
        )
    if advice := download_advice(error):
        return f"{name} cannot fetch its weights{advice}"
    return None
