"""Translation between Optuna's trials and our records: written when a trial ends, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState

from ...errors import SpaceError
from ...spaces.search_space.parameters import SearchSpace, Values
from ..messages import Outcome, TrialResult
from ..strategies.translation import SOURCE, from_optuna
from .trial_records import ORIGIN, TrialRecord

# User attributes of Optuna's trials.
RESULT = "result"
# Marks a proposal that repeats an earlier trial, which no count includes.
REPEATED = "repeated"
# The first objective's values by epoch or round, in a study of several objectives. Optuna's intermediate values would
# break TPE there: it orders pruned trials by them in the study's one direction, and raises when there are several.
STEPS = "steps"
# All that the pruner noted of a trial there; without its rungs, a trial would pass them unjudged after a restart.
PRUNER_NOTES = "pruner_notes"

STATES: dict[Outcome, TrialState] = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "infeasible": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}

_RECORDED = tuple(
    item.name
    for item in fields(TrialRecord)
    if item.name not in ("number", "state", "value", "params", "round_values", "began", "origin")
)


def described(result: TrialResult) -> dict[str, Any]:
    """Returns a result as the attribute `RESULT` holds it."""
    facts = asdict(result)
    del facts["number"]
    return facts


def note_step(trial: Trial, value: float, step: int) -> None:
    """Notes the value of a step in a study of several objectives. A step that was noted before keeps its value."""
    steps = trial.user_attrs.get(STEPS, {})
    if str(step) not in steps:
        trial.set_user_attr(STEPS, {**steps, str(step): value})


def note_pruning(trial: Trial, notes: dict[str, Any]) -> None:
    """Keeps what the pruner noted of a trial in a study of several objectives, when that has changed."""
    if notes and trial.user_attrs.get(PRUNER_NOTES) != notes:
        trial.set_user_attr(PRUNER_NOTES, notes)


def steps_of(frozen: FrozenTrial) -> dict[int, float]:
    """Returns the first objective's values, by epoch or round."""
    noted = {int(step): value for step, value in frozen.user_attrs.get(STEPS, {}).items()}
    return noted or dict(frozen.intermediate_values)


class TrialReader:
    """Reads the trials of one study.

    Args:
        search_space: The study's space.
        rounds: Trainings per trial.
    """

    def __init__(self, search_space: SearchSpace, rounds: int) -> None:
        self._search_space = search_space
        self._rounds = rounds
        # A trial that has ended never changes.
        self._ended: dict[int, TrialRecord] = {}
        self._ended_values: dict[int, Values | None] = {}

    def values(self, frozen: FrozenTrial) -> Values | None:
        """Returns a trial's values, or None if its supervisor was killed while it drew them."""
        if not frozen.state.is_finished():
            return self._values(frozen)
        if frozen.number not in self._ended_values:
            self._ended_values[frozen.number] = self._values(frozen)
        return self._ended_values[frozen.number]

    def _values(self, frozen: FrozenTrial) -> Values | None:
        try:
            return from_optuna(self._search_space, frozen.params, frozen.distributions)
        except SpaceError:
            return None

    def record(self, frozen: FrozenTrial, *, ended: bool = False) -> TrialRecord:
        """Returns our record of a trial.

        Args:
            frozen: Optuna's trial.
            ended: Whether it ends now, though Optuna still has it as running. Its result alone does not say so,
                since a kill may come between the two.
        """
        if not frozen.state.is_finished():
            return self._read(frozen, ended=ended)
        if frozen.number not in self._ended:
            self._ended[frozen.number] = self._read(frozen, ended=True)
        return self._ended[frozen.number]

    def _read(self, frozen: FrozenTrial, *, ended: bool) -> TrialRecord:
        result: Mapping[str, Any] = frozen.user_attrs.get(RESULT, {}) if ended else {}
        state = result.get("outcome") or ("failed" if ended else "running")
        value = result.get("value")
        steps = steps_of(frozen)
        if value is None and steps:
            value = steps[max(steps)]
        known = {key: result[key] for key in _RECORDED if key in result}
        # The steps of a trial in rounds are its rounds.
        told = [] if self._rounds > 1 else list(steps)
        epochs = max([known.pop("epochs", 0), *told])
        return TrialRecord(
            number=frozen.number,
            state=state,
            value=value,
            params=self.values(frozen) or {},
            epochs=epochs,
            round_values=[steps[number] for number in sorted(steps)] if self._rounds > 1 else [],
            began=frozen.datetime_start.timestamp() if frozen.datetime_start else 0.0,
            origin=str(frozen.user_attrs.get(ORIGIN) or frozen.system_attrs.get(SOURCE, "")),
            **known,
        )
