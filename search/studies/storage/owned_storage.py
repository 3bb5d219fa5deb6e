"""A study's storage as its one owner sees it: read from memory, written through to the database.

Optuna's database storage reads every running trial anew, several times for each configuration that it is asked for,
and writes each parameter in a transaction of its own. Its owner can do without either: nobody else writes. So asks stay
quick with thousands of trials and many workers, and the database holds, at every moment, all that was acknowledged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from ..frozen_trials import REPEATED


class OwnedStorage(BaseStorage):
    """One existing study of `database`, which nobody else may write while this lives.

    A new trial, one at a time, is held back until `flush`, and then written with all its parameters at once; whatever
    else is written flushes first. A write that the database refuses raises, changes nothing in memory, and may be
    repeated.
    """

    def __init__(self, database: BaseStorage, name: str) -> None:
        self._database = database
        self._database_study = database.get_study_id_from_name(name)
        self._memory = InMemoryStorage()
        self._study = self._memory.create_new_study(database.get_study_directions(self._database_study), name)
        for key, value in database.get_study_user_attrs(self._database_study).items():
            self._memory.set_study_user_attr(self._study, key, value)
        for key, value in database.get_study_system_attrs(self._database_study).items():
            self._memory.set_study_system_attr(self._study, key, value)
        # By trial number, which is a trial's id in memory too.
        self._database_ids: list[int] = []
        self._is_in_doubt = False
        for trial in database.get_all_trials(self._database_study, deepcopy=False):
            self._database_ids.append(trial._trial_id)
            self._memory.create_new_trial(self._study, template_trial=trial)

    def flush(self) -> None:
        """Writes a trial that was held back."""
        if self._is_in_doubt:
            self._recognise()
        for trial in self._memory.get_all_trials(self._study, deepcopy=False)[len(self._database_ids) :]:
            self._is_in_doubt = True
            created = self._database.create_new_trial(self._database_study, template_trial=trial)
            if self._database.get_trial_number_from_id(created) != trial.number:
                self._recognise()
                continue
            self._database_ids.append(created)
            self._is_in_doubt = False

    def _recognise(self) -> None:
        """Takes over what the database holds of a new trial although its answer was lost.

        Copies that it made when it was asked again, by us or by Optuna, hold numbers: they are set aside, here too.
        """
        written = self._database.get_all_trials(self._database_study, deepcopy=False)
        for row in written[len(self._database_ids) :]:
            if len(self._database_ids) == len(self._memory.get_all_trials(self._study, deepcopy=False)):
                self._set_aside(row)
            self._database_ids.append(row._trial_id)
        self._is_in_doubt = False

    def _set_aside(self, row: FrozenTrial) -> None:
        with contextlib.suppress(UpdateFinishedTrialError):
            self._database.set_trial_user_attr(row._trial_id, REPEATED, True)
            self._database.set_trial_state_values(row._trial_id, TrialState.FAIL)
        self._memory.create_new_trial(self._study, template_trial=self._database.get_trial(row._trial_id))

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        self.flush()
        return self._memory.create_new_trial(study_id, template_trial)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        if self._is_written(trial_id):
            self._write("set_trial_param", trial_id, param_name, param_value_internal, distribution)
        self._memory.set_trial_param(trial_id, param_name, param_value_internal, distribution)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        self.flush()
        self._write("set_trial_state_values", trial_id, state, values)
        return self._memory.set_trial_state_values(trial_id, state, values)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        self.flush()
        self._write("set_trial_intermediate_value", trial_id, step, intermediate_value)
        self._memory.set_trial_intermediate_value(trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        if self._is_written(trial_id):
            self._write("set_trial_user_attr", trial_id, key, value)
        self._memory.set_trial_user_attr(trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        if self._is_written(trial_id):
            self._write("set_trial_system_attr", trial_id, key, value)
        self._memory.set_trial_system_attr(trial_id, key, value)

    def _is_written(self, trial_id: int) -> bool:
        return trial_id < len(self._database_ids)

    def _write(self, method: str, trial_id: int, *given: Any) -> None:
        # The database has the trial as finished where an earlier write was taken, but its answer lost: nobody else
        # writes.
        with contextlib.suppress(UpdateFinishedTrialError):
            getattr(self._database, method)(self._database_ids[trial_id], *given)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self.flush()
        self._database.set_study_user_attr(self._database_study, key, value)
        self._memory.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.flush()
        self._database.set_study_system_attr(self._database_study, key, value)
        self._memory.set_study_system_attr(study_id, key, value)

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        raise NotImplementedError("an owned storage holds one study, which exists")

    def delete_study(self, study_id: int) -> None:
        raise NotImplementedError("an owned study is not deleted")

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._memory.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._memory.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._memory.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._memory.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._memory.get_study_system_attrs(study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        return self._memory.get_all_studies()

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._memory.get_trial(trial_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self._memory.get_all_trials(study_id, deepcopy, states)
