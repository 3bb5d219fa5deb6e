"""Pruning for studies of several objectives, by the first of them.

Optuna's `report` and `should_prune` work with one objective only. So the first objective's values of every trial are
mirrored in a second study, in memory, which the pruner looks at. The study itself keeps them as an attribute of each
trial, and beside them what the pruner noted of the trial, such as the rungs that it passed; from both the next search
makes the mirror again.
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from ..evaluation.direction import Direction
from .frozen_trials import PRUNER_NOTES, steps_of


class MirroredPruning:
    """The mirror of one study; its trials have the numbers that they have in the study, by which Hyperband draws lots.

    Args:
        pruner: Optuna's pruner.
        name: The study's name, from which Hyperband chooses brackets.
        direction: The first objective's direction.
        earlier: The study's trials so far.
    """

    def __init__(self, pruner: BasePruner, name: str, direction: Direction, earlier: list[FrozenTrial]) -> None:
        self._mirror = optuna.create_study(
            study_name=name,
            direction=StudyDirection[direction.name],
            pruner=pruner,
            sampler=optuna.samplers.RandomSampler(seed=0),
        )
        self._running: dict[int, Trial] = {}
        self._count = 0
        for frozen in sorted(earlier, key=lambda trial: trial.number):
            self._fill(frozen.number)
            self._add(frozen)

    def report(self, number: int, value: float, step: int) -> tuple[bool, dict[str, Any]]:
        """Takes a value of a running trial.

        Returns:
            Whether the trial should be pruned, and all that the pruner has noted of it.
        """
        if number not in self._running:
            self._fill(number)
            if number == self._count:
                self._running[number] = self._mirror.ask()
                self._count += 1
            else:
                self._running[number] = self._handle(number)
        trial = self._running[number]
        trial.report(value, step)
        wanted = trial.should_prune()
        return wanted, dict(self._mirror._storage.get_trial(trial._trial_id).system_attrs)

    def tell(self, number: int, value: float | None, state: TrialState) -> None:
        """Takes the end of a trial; a trial without a reported value is ignored."""
        trial = self._running.pop(number, None)
        if trial is not None:
            self._mirror.tell(trial, value, state=state)

    def _fill(self, number: int) -> None:
        """Begins trials up to a number; those that never report stay as they are, and no pruner looks at them."""
        while self._count < number:
            self._mirror.ask()
            self._count += 1

    def _add(self, frozen: FrozenTrial) -> None:
        is_known = frozen.state in (TrialState.COMPLETE, TrialState.PRUNED)
        value = frozen.values[0] if frozen.values and frozen.state is TrialState.COMPLETE else None
        steps = steps_of(frozen)
        if not is_known and frozen.state is not TrialState.RUNNING:
            steps = {}
        self._mirror.add_trial(
            optuna.create_trial(
                state=frozen.state if is_known else TrialState.RUNNING,
                value=value,
                intermediate_values=steps,
                system_attrs=frozen.user_attrs.get(PRUNER_NOTES, {}),
            )
        )
        self._count += 1
        if frozen.state is TrialState.RUNNING and steps:
            self._running[frozen.number] = self._handle(frozen.number)

    def _handle(self, number: int) -> Trial:
        storage, study = self._mirror._storage, self._mirror._study_id
        return Trial(self._mirror, storage.get_trial_id_from_study_id_trial_number(study, number))
