"""The pruner of rounds: it has power with two or three of them, and spares trials that are as good."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from apertune.search.strategies.pruners import make_pruner

LUCK, HARDNESS = 0.01, 0.05


def study_of(direction: str, levels: list[float], rounds: int, seed: int = 0) -> tuple[optuna.Study, np.ndarray]:
    """Returns a study of complete trials of these levels, and how hard each round is for all trials alike."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    random = np.random.default_rng(seed)
    hardness = random.normal(0, HARDNESS, rounds)
    study = optuna.create_study(direction=direction, pruner=make_pruner("paired", 10))
    for level in levels:
        values = level + hardness + random.normal(0, LUCK, rounds)
        steps = {step + 1: float(value) for step, value in enumerate(values)}
        study.add_trial(optuna.create_trial(value=float(values.mean()), intermediate_values=steps))
    return study, hardness


def ended_after(study: optuna.Study, values: np.ndarray) -> int | None:
    """Returns the round after which a trial of these values is ended; None for a trial that has them all."""
    trial = study.ask()
    for step, value in enumerate(values, 1):
        trial.report(float(value), step)
        if step < len(values) and trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return step
    study.tell(trial, float(np.mean(values)))
    return None


@pytest.mark.parametrize("rounds", [2, 3, 5])
@pytest.mark.parametrize(("direction", "worse"), [("maximize", -0.15), ("minimize", 0.15)])
def test_a_weak_trial_ends_after_its_first_round(rounds: int, direction: str, worse: float) -> None:
    """With 2, 3 or 5 rounds a trial far behind the best is ended after one, though rounds differ more than that."""
    study, hardness = study_of(direction, [0.8, 0.79, 0.8, 0.78, 0.8, 0.81], rounds)
    assert ended_after(study, 0.8 + worse + hardness) == 1


def test_equal_trials_are_rarely_ended() -> None:
    """Trials as good as the others are ended in few cases, although the best one was chosen for being so."""
    ended = 0
    for seed in range(100):
        study, hardness = study_of("maximize", [0.8] * 8, 3, seed)
        luck = np.random.default_rng(seed + 1000).normal(0, LUCK, 3)
        ended += ended_after(study, 0.81 + hardness + luck) is not None
    assert ended <= 10


def test_it_waits_for_complete_trials() -> None:
    """Nothing is ended before three trials are complete, nor where all agree to the last digit."""
    study, hardness = study_of("maximize", [0.8, 0.8], 3)
    assert ended_after(study, 0.1 + hardness) is None
    alike = optuna.create_study(direction="maximize", pruner=make_pruner("paired", 10))
    for _ in range(4):
        alike.add_trial(optuna.create_trial(value=0.5, intermediate_values={1: 0.5, 2: 0.5}))
    assert ended_after(alike, np.array([0.4, 0.4])) is None
