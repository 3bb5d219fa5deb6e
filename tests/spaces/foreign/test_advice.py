"""Advice on mistakes of a model-building function that no small model shows."""

from __future__ import annotations

import pytest

from apertune.spaces.foreign.advice import build_advice


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (
            Exception("URL fetch failure on https://example.org/weights.h5: None -- timed out"),
            "m:build cannot fetch its weights; put the file into ~/.keras/models by hand, or build the network with "
            "weights=None",
        ),
        (
            AttributeError("'HyperParameters' object has no attribute 'suggest_categorical'"),
            "m:build is an objective for Optuna (it calls suggest_categorical): write build(hp) in its place, which "
            "returns the compiled model and does not train it; trial.suggest_categorical becomes "
            "hp.Choice(name, values)",
        ),
        (
            KeyError("units does not exist."),
            "m:build calls hp.get('units'), but nothing declares that hyperparameter before: call hp.Int, hp.Float, "
            "hp.Choice, hp.Boolean or hp.Fixed of that name first",
        ),
        (ValueError("negative dimension"), None),
    ],
)
def test_a_known_mistake_is_answered_with_what_to_write(error: Exception, advice: str | None) -> None:
    """The way out is in the line; an error of another kind is left as it is."""
    assert build_advice("m:build", error) == advice
