"""The pruner of chances: hopeless trials end, late bloomers and the best tenth go on."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from apertune.search.strategies.pruners import make_pruner

EPOCHS = 20


def curve(end: float, speed: float = 0.3, start: float = 0.1) -> list[float]:
    return [end - (end - start) * float(np.exp(-speed * epoch)) for epoch in range(EPOCHS)]


def add(study: optuna.Study, values: list[float]) -> int:
    """Adds a trial, and returns the epoch after which it was ended; the last one if it was not."""
    trial = study.ask()
    for epoch, value in enumerate(values, start=1):
        trial.report(value, epoch)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return epoch
    study.tell(trial, max(values) if study.direction.name == "MAXIMIZE" else min(values))
    return len(values)


def study_with(direction: str = "maximize", perfect: float | None = 1.0, **options: str) -> optuna.Study:
    pruner = make_pruner("chance", EPOCHS, options, perfect=perfect)
    return optuna.create_study(direction=direction, pruner=pruner)


def test_the_first_trial_is_never_ended() -> None:
    """Without a complete trial there is nothing to beat."""
    assert add(study_with(), curve(0.1)) == EPOCHS


def test_a_hopeless_trial_ends_early_but_not_at_once() -> None:
    """A trial that stands still far below the best ends within the first half, after the warm-up."""
    study = study_with()
    for end in (0.9, 0.85, 0.88):
        add(study, curve(end))
    ended = add(study, [0.1] * EPOCHS)
    assert 3 <= ended <= EPOCHS // 2


def test_a_trial_as_good_as_the_best_goes_on() -> None:
    """The same curve as the best one's is followed to its end."""
    study = study_with()
    for end in (0.9, 0.85, 0.88):
        add(study, curve(end))
    assert add(study, curve(0.9)) == EPOCHS


def test_curves_of_the_study_teach_what_late_gains_are_worth() -> None:
    """A late trial is not ended among trials that all bloom late, and is among early ones."""
    late, early = study_with(), study_with()
    for offset in (0.0, 0.01, 0.02, 0.03, 0.04):
        add(late, [0.1 + offset] * 12 + [0.8 + offset] * 8)
        add(early, [0.1 + offset, *[0.8 + offset] * 19])
    blooming = [0.12] * 12 + [0.9] * 8
    assert add(late, blooming) == EPOCHS
    assert add(early, blooming) < EPOCHS


def test_the_last_epoch_ends_nothing() -> None:
    """A trial that has had all its epochs is complete, whatever its chance."""
    study = study_with(n_warmup_steps=str(EPOCHS))
    add(study, curve(0.9))
    assert add(study, [0.1] * EPOCHS) == EPOCHS


@pytest.mark.parametrize("perfect", [0.0, None])
def test_losses_are_judged_in_their_direction(perfect: float | None) -> None:
    """A loss that stands high ends, with or without a value that is known to be perfect."""
    study = study_with("minimize", perfect)
    for end in (0.3, 0.35, 0.4, 0.32):
        add(study, [2.0 - value for value in curve(2.0 - end, start=0.1)])
    assert add(study, [1.9] * EPOCHS) < EPOCHS
    assert add(study, [2.0 - value for value in curve(1.75, start=0.1)]) == EPOCHS


def test_the_best_tenth_is_trained_to_its_end() -> None:
    """Among many trials a trial that is not the best but among the best tenth goes on."""
    study = study_with()
    for place in range(30):
        add(study, curve(0.6 + 0.01 * place))
    assert add(study, curve(0.885)) == EPOCHS
    assert add(study, curve(0.5)) < EPOCHS
