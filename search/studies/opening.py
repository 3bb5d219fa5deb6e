"""Finds, opens and creates studies in a storage."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ...errors import StudyError
from ...spaces.search_space.parameters import Values
from ..strategies.translation import to_optuna
from .definition import StudyDefinition
from .storage.owned_storage import IDENTITY
from .study import DEFINITION, Study
from .trial_records import DEFAULTS, ORIGIN


def open_study(storage: BaseStorage, name: str) -> Study:
    """Opens an existing study. Raises StudyError if none has that name, or Apertune did not make it."""
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = optuna.get_all_study_names(storage)
        have = (
            f"there are: {', '.join(sorted(known))}" if known else "there is none yet; start one with apertune search"
        )
        raise StudyError(f"no study is called '{name}'; {have}") from None
    definition = study.user_attrs.get(DEFINITION)
    if definition is None:
        raise StudyError(f"study '{name}' was not made by apertune; name another with --study")
    return Study(study, StudyDefinition.from_dict(definition), storage)


def create_study(
    storage: BaseStorage, name: str, definition: StudyDefinition, begin_with: Callable[[], Values] | None = None
) -> Study:
    """Creates a study, with the space's defaults enqueued as its first trial.

    The definition is written last, so a study without one was left by a process that was killed; it is completed.

    Args:
        storage: Where it is kept.
        name: Its name.
        definition: What it is for.
        begin_with: Gives the configuration to take for the defaults; None for these.

    Raises:
        StudyError: If such a study was begun with other objectives.
    """
    directions = [StudyDirection[direction.name] for _, direction in definition.objectives]
    study = optuna.create_study(study_name=name, storage=storage, directions=directions, load_if_exists=True)
    if study.directions != directions:
        raise StudyError(f"study '{name}' was begun with other objectives; name another with --study")
    made = Study(study, definition, storage)
    if not study.trials:
        first = made.search_space.defaults() if begin_with is None else begin_with()
        study.enqueue_trial(to_optuna(made.search_space, first), user_attrs={ORIGIN: DEFAULTS})
    study.set_user_attr(IDENTITY, uuid.uuid4().hex)
    study.set_user_attr(DEFINITION, definition.to_dict())
    return made


def study_exists(storage: BaseStorage, name: str) -> bool:
    """Returns whether a study has that name, even one that Apertune did not make.

    A study whose creation was cut short does not count: `create_study` completes it.
    """
    if name not in study_names(storage):
        return False
    study = optuna.load_study(study_name=name, storage=storage)
    if study.user_attrs.keys() - {IDENTITY}:
        return True
    return any(trial.state is not TrialState.WAITING for trial in study.get_trials(deepcopy=False))


def study_names(storage: BaseStorage) -> list[str]:
    """Returns the names of all studies in a storage, sorted."""
    return sorted(optuna.get_all_study_names(storage))
