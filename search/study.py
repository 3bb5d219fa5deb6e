"""A study: what was asked of it, and every configuration tried. With `sampling`, `storage` and the study's plots
the only code that talks to Optuna.

Life of a trial: `ask` draws values, `report` takes each epoch's value and answers whether to prune, `tell` records
the outcome. One supervisor owns a study at a time, so a trial that is running when it starts was orphaned by a
dead one; `orphans` lists those, to be put back with the same values.
"""

from __future__ import annotations

import logging
import uuid
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

import optuna
import tenacity
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, Trial, TrialState

from ..datasets.base import Task
from ..errors import StudyError
from ..spaces.parameters import SearchSpace, Values
from .messages import Outcome, TrialResult
from .sampling import from_optuna, suggest, to_optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)

logger = logging.getLogger(__name__)

T = TypeVar("T")
Direction = Literal["maximize", "minimize"]

STORAGE_PATIENCE_S = 120

DEFINITION = "apertune"
IDENTITY = "apertune_identity"
RESULT = "result"
LAUNCH = "launch"
MEMORY_CONSTRAINT = "memory"


@dataclass(frozen=True)
class StudyDefinition:
    """What a study is about. Two searches may share a study only when these agree.

    space: name; search_space: its JSON, with the user's narrowing; data: what to say of the data's origin.
    """

    dataset: str
    data: str
    task: Task
    fingerprint: str
    space: str
    search_space: str
    objective: str
    direction: Direction
    epochs: int

    def differences(self, other: StudyDefinition) -> list[str]:
        """What `other` asks that this study was not made for, a line each; empty when they agree."""
        lines = [
            f"{name}: {getattr(self, attribute)} there, {getattr(other, attribute)} here"
            for attribute, name in (
                ("dataset", "data set"),
                ("space", "space"),
                ("objective", "objective"),
                ("epochs", "epochs"),
            )
            if getattr(self, attribute) != getattr(other, attribute)
        ]
        if self.fingerprint != other.fingerprint:
            lines.append(f"data: fingerprint {self.fingerprint[:12]} there, {other.fingerprint[:12]} here")
        mine, theirs = SearchSpace.from_json(self.search_space), SearchSpace.from_json(other.search_space)
        return lines + mine.describe_difference(theirs)


@dataclass(frozen=True)
class Asked:
    """A configuration to try. attempt: 0, or how often it was tried and lost before."""

    number: int
    values: Values
    attempt: int = 0


@dataclass(frozen=True)
class TrialRecord:
    """A trial as it stands in the study. state: an `Outcome` but interrupted, or running. value: the objective."""

    number: int
    state: str
    value: float | None
    params: Values
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    parameters: int = 0
    peak_memory_mb: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Launch:
    """The latest search in a study: it is to bring it to `target` trials, and asked for `trials` of them."""

    trials: int
    target: int


class Study:
    """An open study. Made by `create` or `open_study`."""

    def __init__(self, study: OptunaStudy, definition: StudyDefinition) -> None:
        self.optuna = study
        self.definition = definition
        self.search_space = SearchSpace.from_json(definition.search_space)
        self._running: dict[int, Trial] = {}

    @property
    def name(self) -> str:
        return self.optuna.study_name

    @property
    def identity(self) -> str:
        """Unique for ever, where the name may come again in another storage."""
        return str(self.optuna.user_attrs[IDENTITY])

    def ask(self) -> Asked:
        trial = _persistently(self.optuna.ask)
        self._running[trial.number] = trial
        return Asked(trial.number, _persistently(lambda: suggest(trial, self.search_space)))

    def orphans(self) -> list[Asked]:
        """Trials that a dead supervisor left running, with the values they had."""
        asked = []
        for frozen in self.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._running[frozen.number] = Trial(self.optuna, frozen._trial_id)
            values = self._values(frozen)
            if values is None:
                # Killed while its values were drawn: draw the rest.
                values = suggest(self._running[frozen.number], self.search_space)
            asked.append(Asked(frozen.number, values, int(frozen.user_attrs.get("attempts", 0))))
        return asked

    def lost(self, number: int, attempts: int) -> None:
        """Notes that a trial was lost so many times, so that a restart does not forget."""
        _persistently(lambda: self._running[number].set_user_attr("attempts", attempts))

    def report(self, number: int, value: float, epoch: int) -> bool:
        """Takes an epoch's value (1-based); answers whether the trial should be pruned."""
        trial = self._running[number]

        def report_and_ask() -> bool:
            with warnings.catch_warnings():
                # A resumed trial may report an epoch again; the first report stands.
                warnings.simplefilter("ignore", UserWarning)
                trial.report(value, epoch)
                return trial.should_prune()

        return _persistently(report_and_ask)

    def tell(self, result: TrialResult) -> None:
        """Records the outcome. A trial that was told before keeps its first outcome."""
        trial = self._running.pop(result.number)
        state = _STATES[result.outcome]
        value = result.value if state is TrialState.COMPLETE else None

        def record() -> None:
            if trial.storage.get_trial(trial._trial_id).state.is_finished():
                return
            trial.set_user_attr(RESULT, _described(result))
            if result.outcome == "infeasible":
                trial.set_constraint(MEMORY_CONSTRAINT, 1.0)
            self.optuna.tell(trial, value, state=state)

        _persistently(record)

    def finished(self) -> int:
        """How many trials have an outcome."""
        return sum(trial.state.is_finished() for trial in self.optuna.get_trials(deepcopy=False))

    def records(self) -> list[TrialRecord]:
        """Every trial that has begun; those only enqueued are not among them."""
        every = self.optuna.get_trials(deepcopy=False)
        return [self._record(frozen) for frozen in every if frozen.state is not TrialState.WAITING]

    def updated(self) -> float:
        """When the latest trial began, in Unix seconds; 0 without trials."""
        every = self.optuna.get_trials(deepcopy=False)
        return max((trial.datetime_start.timestamp() for trial in every if trial.datetime_start), default=0.0)

    def launch(self) -> Launch | None:
        noted = self.optuna.user_attrs.get(LAUNCH)
        return Launch(**noted) if noted else None

    def note_launch(self, launch: Launch) -> None:
        _persistently(lambda: self.optuna.set_user_attr(LAUNCH, asdict(launch)))

    def use(self, sampler: BaseSampler, pruner: BasePruner) -> None:
        self.optuna.sampler, self.optuna.pruner = sampler, pruner

    def _values(self, frozen: FrozenTrial) -> Values | None:
        try:
            return from_optuna(self.search_space, frozen.params)
        except KeyError:
            return None

    def _record(self, frozen: FrozenTrial) -> TrialRecord:
        result: Mapping[str, Any] = frozen.user_attrs.get(RESULT, {})
        state = result.get("outcome") or ("running" if not frozen.state.is_finished() else "failed")
        value = result.get("value")
        if value is None and frozen.intermediate_values:
            value = frozen.intermediate_values[max(frozen.intermediate_values)]
        known = {key: result[key] for key in _RECORDED if key in result}
        epochs = max([known.pop("epochs", 0), *frozen.intermediate_values])
        return TrialRecord(
            number=frozen.number,
            state=state,
            value=value,
            params=self._values(frozen) or {},
            epochs=epochs,
            **known,
        )


_RECORDED = ("metrics", "epochs", "best_epoch", "seconds", "parameters", "peak_memory_mb", "reason")

_STATES: dict[Outcome, TrialState] = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "infeasible": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def _described(result: TrialResult) -> dict[str, Any]:
    described = asdict(result)
    del described["number"]
    return described


def open_study(storage: optuna.storages.BaseStorage, name: str) -> Study:
    """Opens an existing study. Raises StudyError when there is none of that name, or it is not Apertune's."""
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
    return Study(study, StudyDefinition(**definition))


def create_study(storage: optuna.storages.BaseStorage, name: str, definition: StudyDefinition) -> Study:
    """Creates a study, with the space's defaults enqueued as its first trial."""
    study = optuna.create_study(study_name=name, storage=storage, direction=definition.direction)
    study.set_user_attr(IDENTITY, uuid.uuid4().hex)
    study.set_user_attr(DEFINITION, asdict(definition))
    made = Study(study, definition)
    study.enqueue_trial(to_optuna(made.search_space, made.search_space.defaults()))
    return made


def study_names(storage: optuna.storages.BaseStorage) -> list[str]:
    return sorted(optuna.get_all_study_names(storage))


def _persistently(call: Callable[[], T]) -> T:
    """Repeats a storage call that fails, since a database that restarts or a full disk comes back.

    Optuna lets a storage's error surface as AssertionError or UnboundLocalError too, so any Exception counts.
    """
    for attempt in tenacity.Retrying(
        stop=tenacity.stop_after_delay(STORAGE_PATIENCE_S),
        wait=tenacity.wait_exponential(multiplier=0.1, max=5),
        before_sleep=tenacity.before_sleep_log(logger, logging.WARNING),
        reraise=True,
    ):
        with attempt:
            return call()
    raise AssertionError("unreachable: tenacity returns or raises")
