"""A pruner of trials in rounds that can judge after the first, by what all trials tell of the luck of a round."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState


class PairedPruner(BasePruner):
    """Ends a trial whose rounds are worse than the same rounds of the best trial, by a paired t-test.

    A trial of two or three rounds tells little of its own spread, and a test of ranks can reach no small p-value with
    them. The spread of a difference between two trials in one round is therefore estimated from all complete trials:
    it is what is left of their values once the mean of each trial and the mean of each round are taken out (two-way
    analysis of variance). Trials in the worse half are left out, since failures vary in ways of their own.

    Args:
        p_threshold: Largest p-value, one-sided, that ends a trial.
        n_startup_trials: Complete trials before the first one is ended.
    """

    def __init__(self, p_threshold: float, n_startup_trials: int) -> None:
        self._p_threshold = p_threshold
        self._n_startup_trials = n_startup_trials

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Returns whether the trial's rounds so far are really worse than the best trial's."""
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        whole = _whole_trials(study, sign)
        mine = trial.intermediate_values
        rounds = sorted(step for step in mine if step <= whole.shape[1])
        if len(whole) < max(2, self._n_startup_trials) or whole.shape[1] < 2 or not rounds:
            return False
        best = whole[int(np.argmax(whole.mean(axis=1)))]
        behind = float(np.mean([best[step - 1] - sign * mine[step] for step in rounds]))
        spread, freedom = _spread(whole)
        if not behind > 0:
            return False
        return _p_value(behind, spread * np.sqrt(2 / len(rounds)), freedom) < self._p_threshold


def _whole_trials(study: Study, sign: float) -> NDArray[np.float64]:
    """Returns the values of all complete trials that had every round: (trials, rounds), higher is better."""
    complete = [one.intermediate_values for one in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
    count = max((max(values) for values in complete if values), default=0)
    whole = [[sign * values[step] for step in range(1, count + 1)] for values in complete if len(values) == count]
    return np.array(whole, dtype=np.float64).reshape(len(whole), count)


def _spread(whole: NDArray[np.float64]) -> tuple[float, int]:
    """Returns the standard deviation of one round's luck, and its degrees of freedom."""
    order = np.argsort(-whole.mean(axis=1), kind="stable")
    better = whole[order[: max(2, -(-len(whole) // 2))]]
    left = better - better.mean(axis=1, keepdims=True) - better.mean(axis=0, keepdims=True) + better.mean()
    freedom = (better.shape[0] - 1) * (better.shape[1] - 1)
    return float(np.sqrt(np.square(left).sum() / freedom)), freedom


def _p_value(behind: float, spread: float, freedom: int) -> float:
    from scipy.special import stdtr

    if spread < 1e-12:
        # Two trials that differ alike in every round say nothing of luck.
        return 1.0
    return float(stdtr(freedom, -behind / spread))
