"""Patience over the two phases of fine-tuning."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import pytest

from apertune.search.training.fitting import Fitting
from apertune.spaces.base import FineTuning
from apertune.spaces.recipes.fine_tuning import Unfreezing


def ends_at(patience: int | None, best_epoch: int, callbacks: tuple[keras.callbacks.Callback, ...]) -> int | None:
    """Returns the epoch of 30 that a training ends after, whose objective was best at one epoch; None for the last."""
    fitting = SimpleNamespace(
        task=SimpleNamespace(patience=patience),
        candidate=SimpleNamespace(callbacks=callbacks),
        state=SimpleNamespace(epoch=0, best_epoch=best_epoch),
    )
    for epoch in range(1, 31):
        fitting.state.epoch = epoch
        if epoch >= best_epoch and Fitting.out_of_patience(fitting):  # type: ignore[arg-type]  # the part it reads
            return epoch
    return None


@pytest.mark.parametrize(
    ("patience", "best_epoch", "end"),
    [(5, 1, 17), (5, 11, 17), (5, 14, 19), (None, 1, None)],
)
def test_patience_starts_anew_with_fine_tuning(patience: int | None, best_epoch: int, end: int | None) -> None:
    """With thawing after 12 epochs, no gain in the frozen phase ends a trial; patience counts from the thaw."""
    settings = FineTuning(frozen_share=0.4, depth=0.5, rate_factor=0.1)
    thawing = Unfreezing(keras.Sequential(), settings, epochs=30)
    assert ends_at(patience, best_epoch, (keras.callbacks.Callback(), thawing)) == end


def test_patience_of_one_phase_counts_from_the_best_epoch() -> None:
    """Without a second phase a trial ends as soon as patience runs out."""
    assert ends_at(5, 1, ()) == 6
    assert ends_at(5, 3, (keras.callbacks.Callback(),)) == 8
