"""A study's storage as its one owner sees it: read from memory, written through to the database.

Optuna's database storage reads every running trial again several times per configuration, and writes each parameter
in its own transaction. A sole writer needs neither. So asking stays quick with thousands of trials and many workers,
while the database holds, at every moment, everything that was acknowledged. If somebody deletes or overwrites the
database meanwhile, the next write puts the study back.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Container, Sequence
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from ....errors import ApertuneError
from ....spaces.search_space.parameters import SearchSpace
from ..frozen_trials import REPEATED
from .putting_back import Presence
from .storage import open_storage
from .stored_params import StoredParams

T = TypeVar("T")

logger = logging.getLogger(__name__)

# A study's attribute that is unique for ever, while another storage may have a study of the same name.
IDENTITY = "apertune_identity"


class _HandedOver(FrozenTrial):
    """A trial that nobody else keeps, so that it need not be copied."""

    def __deepcopy__(self, memo: object) -> _HandedOver:
        return self


class OwnedStorage(BaseStorage):
    """One existing study, which nobody else may write while this object lives.

    A new trial is held back until `flush`, which writes it with all its parameters at once; every other write flushes
    first. A write that the database refuses raises, changes nothing in memory, and may be repeated.

    Args:
        database: The storage that keeps the study.
        name: The study's name.
        space: The study's space.
    """

    def __init__(self, database: BaseStorage, name: str, space: SearchSpace) -> None:
        self._database = database
        self._database_study = database.get_study_id_from_name(name)
        self._memory = InMemoryStorage()
        self._study = self._memory.create_new_study(database.get_study_directions(self._database_study), name)
        for key, value in database.get_study_user_attrs(self._database_study).items():
            self._memory.set_study_user_attr(self._study, key, value)
        for key, value in database.get_study_system_attrs(self._database_study).items():
            self._memory.set_study_system_attr(self._study, key, value)
        # Indexed by trial number, which is also the trial's id in memory.
        self._database_ids: list[int] = []
        self._is_in_doubt = False
        trials = database.get_all_trials(self._database_study, deepcopy=False)
        self._params = StoredParams(space, trials)
        self._adopt(trials)
        self._name = name
        self._presence = Presence(database, name) if isinstance(database, RDBStorage) else None

    def _adopt(self, trials: Sequence[FrozenTrial]) -> None:
        """Takes trials into memory; it would copy each, which takes longer than to read them from a database."""
        for stored in trials:
            trial = self._params.from_database(stored)
            self._database_ids.append(stored._trial_id)
            if isinstance(self._database, RDBStorage):
                trial.__class__ = _HandedOver
            self._memory.create_new_trial(self._study, template_trial=trial)
            trial.__class__ = FrozenTrial

    def make_sure(self) -> bool:
        """Puts the study back if the database does not have it any more; returns whether it did.

        Raises:
            ApertuneError: If a study of another search has its name there.
        """
        if self._presence is None or self._is_in_doubt:
            return False
        written = self._memory.get_all_trials(self._study, deepcopy=False)[: len(self._database_ids)]
        if self._presence.is_there(len(written), sum(trial.state.is_finished() for trial in written)):
            return False
        self._put_back(self._presence)
        return True

    def _surely(self, write: Callable[[], T]) -> T:
        """Returns what a write returns, done again if it failed since the study was not there any more."""
        try:
            return write()
        except Exception:
            if not self.make_sure():
                raise
        return write()

    def _put_back(self, presence: Presence) -> None:
        place = presence.file or "the studies' database"
        logger.warning("%s was deleted or overwritten during the search; study %s is put back.", place, self._name)
        if isinstance(self._database, RDBStorage):
            self._database.remove_session()
        presence.make_room()
        database = open_storage(presence.url)
        names = {study.study_name: study._study_id for study in database.get_all_studies()}
        if self._name in names:
            stored = database.get_study_user_attrs(names[self._name])
            if stored.get(IDENTITY) != self._memory.get_study_user_attrs(self._study).get(IDENTITY):
                raise ApertuneError(
                    f"{place} was replaced during the search by one in which another study is called {self._name}; "
                    "move that file away, and the same command starts a new study"
                )
            database.delete_study(names[self._name])
        study = database.create_new_study(self._memory.get_study_directions(self._study), self._name)
        for key, value in self._memory.get_study_system_attrs(self._study).items():
            database.set_study_system_attr(study, key, value)
        trials = self._memory.get_all_trials(self._study, deepcopy=False)
        ids = [database.create_new_trial(study, template_trial=self._params.to_database(trial)) for trial in trials]
        # The definition is among these: a study without one was left by a process that was killed.
        for key, value in self._memory.get_study_user_attrs(self._study).items():
            database.set_study_user_attr(study, key, value)
        self._database, self._database_study, self._database_ids = database, study, ids
        self._presence = Presence(database, self._name)

    def flush(self) -> None:
        """Writes the trial that is held back, if there is one."""
        if self._presence is not None and self._presence.is_elsewhere():
            self._put_back(self._presence)
        if self._is_in_doubt:
            self._recognise()
        for trial in self._memory.get_all_trials(self._study, deepcopy=False)[len(self._database_ids) :]:
            if self.make_sure():
                # With all trials in memory.
                return
            self._is_in_doubt = True
            stored = self._params.to_database(trial)
            created = self._database.create_new_trial(self._database_study, template_trial=stored)
            if self._database.get_trial_number_from_id(created) != trial.number:
                self._recognise()
                continue
            self._database_ids.append(created)
            self._is_in_doubt = False

    def _recognise(self) -> None:
        """Adopts a new trial that the database wrote although its answer was lost.

        A repeated write, ours or Optuna's, may have left copies, which take up numbers: they are set aside, in memory
        as well.
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
        stored = self._database.get_trial(row._trial_id)
        self._memory.create_new_trial(self._study, template_trial=self._params.from_database(stored))

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        self.make_sure()
        self.flush()
        return self._memory.create_new_trial(study_id, template_trial)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        if self._is_written(trial_id):
            stored = self._params.stored(param_name, distribution)
            self._write("set_trial_param", trial_id, param_name, param_value_internal, stored)
        self._memory.set_trial_param(trial_id, param_name, param_value_internal, distribution)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        self.make_sure()
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
        # Nobody else writes, so a trial that is finished already was finished by a write whose answer was lost.
        with contextlib.suppress(UpdateFinishedTrialError):
            self._surely(lambda: getattr(self._database, method)(self._database_ids[trial_id], *given))

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self.make_sure()
        self.flush()
        self._surely(lambda: self._database.set_study_user_attr(self._database_study, key, value))
        self._memory.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.flush()
        self._surely(lambda: self._database.set_study_system_attr(self._database_study, key, value))
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
