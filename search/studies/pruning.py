"""Pruning for studies of several objectives, by the first of them.

Optuna's `report` and `should_prune` work with one objective only. So the first objective's values of every trial are
mirrored in a study of their own, in memory, which the pruner looks at; the study itself keeps them as an attribute of
each trial, from which the mirror is made anew by the next search.
"""

from __future__ import annotations

import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from ..evaluation.direction import Direction
from .frozen_trials import steps_of


class MirroredPruning:
    """direction: the first objective's. Trials are known by the numbers they have in the study."""

    def __init__(self, pruner: BasePruner, name: str, direction: Direction, earlier: list[FrozenTrial]) -> None:
        self._mirror = optuna.create_study(
            study_name=name,
            direction=StudyDirection[direction.name],
            pruner=pruner,
            sampler=optuna.samplers.RandomSampler(seed=0),
        )
        self._running: dict[int, Trial] = {}
        for frozen in earlier:
            if frozen.state in (TrialState.COMPLETE, TrialState.PRUNED):
                value = frozen.values[0] if frozen.values and frozen.state is TrialState.COMPLETE else None
                self._mirror.add_trial(
                    optuna.create_trial(state=frozen.state, value=value, intermediate_values=steps_of(frozen))
                )

    def report(self, number: int, value: float, step: int) -> bool:
        """Takes a value of a running trial; answers whether the trial should be pruned."""
        if number not in self._running:
            self._running[number] = self._mirror.ask()
        trial = self._running[number]
        trial.report(value, step)
        return trial.should_prune()

    def tell(self, number: int, value: float | None, state: TrialState) -> None:
        trial = self._running.pop(number, None)
        if trial is not None:
            self._mirror.tell(trial, value, state=state)
