"""A study: its definition, and every configuration tried.

The rest of `search` asks and tells Optuna through `Study` alone. Optuna itself is imported only in this package, in
`search.strategies` and by the plots of studies, which import-linter checks.

Life of a trial: `ask` draws values, `report` takes each epoch's value and answers whether to prune, `tell` records
the outcome. One supervisor owns a study at a time, so a trial that is running when it starts was left by a supervisor
that died; `orphans` lists those, to be trained again with the same values.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Container
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import optuna
import sqlalchemy
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import Study as OptunaStudy
from optuna.trial import Trial, TrialState

from ...spaces.search_space.parameters import SearchSpace, Values
from ..messages import TrialResult
from .asking import Asking, begun_trials
from .definition import Launch, StudyDefinition
from .frozen_trials import REPEATED, RESULT, STATES, TrialReader, described, note_pruning, note_step
from .pruning import MirroredPruning
from .storage.owned_storage import IDENTITY, OwnedStorage
from .storage.patience import persistently
from .storage.reading import collector_paused
from .trial_records import RecordFile, TrialRecord

optuna.logging.set_verbosity(optuna.logging.WARNING)

DEFINITION = "apertune"
LAUNCH = "launch"
MEMORY_CONSTRAINT = "memory"
ATTEMPTS = "attempts"
CRASHES = "crashes"


@dataclass(frozen=True)
class Asked:
    """A configuration to try."""

    number: int
    """Number of its trial."""
    values: Values
    """Values of the hyperparameters, by name."""
    attempt: int = 0
    """Number of times that it was begun and lost before."""
    crashes: int = 0
    """Number of these losses that were its own fault, as those of a worker that was killed from outside are not."""


class Study:
    """An open study. Made by `create` or `open_study`."""

    def __init__(self, study: OptunaStudy, definition: StudyDefinition, storage: BaseStorage) -> None:
        self.optuna = study
        self.definition = definition
        self._storage = storage
        self._file: RecordFile | None = None
        self.search_space = SearchSpace.from_json(definition.search_space)
        self._reader = TrialReader(self.search_space, definition.rounds)
        self._asking = Asking(study, self.search_space, self._reader)
        self._running: dict[int, Trial] = {}
        self._mirror: MirroredPruning | None = None

    @property
    def name(self) -> str:
        return self.optuna.study_name

    @property
    def identity(self) -> str:
        """Unique for ever, while another storage may have a study of the same name."""
        return str(self.optuna.user_attrs[IDENTITY])

    def own(self, file: Path) -> None:
        """Takes the study for its only writer: reads come from memory, and a `RecordFile` keeps the ended trials.

        Args:
            file: The path of that file, beside the study.
        """
        with collector_paused():
            self._take_over(file)

    def _take_over(self, file: Path) -> None:
        owned = OwnedStorage(self._storage, self.name, self.search_space)
        self.optuna = optuna.load_study(study_name=self.name, storage=owned)
        self._storage = owned
        self._file = RecordFile(file, self.identity)
        self._asking = Asking(self.optuna, self.search_space, self._reader, self._file)
        begun = self.optuna.get_trials(deepcopy=False)
        set_aside = [frozen.number for frozen in begun if REPEATED in frozen.user_attrs]
        self._file.rewrite((record for record in self.records() if record.state != "running"), set_aside)

    def ask(self) -> Asked | None:
        """Returns a configuration that was not tried before, or None when all were."""
        drawn = self._asking.untried()
        if drawn is None:
            return None
        trial, values = drawn
        self._running[trial.number] = trial
        return Asked(trial.number, values)

    @property
    def is_new(self) -> bool:
        """True if no trial of it has begun."""
        return not begun_trials(self.optuna)

    def enqueue(self, configurations: list[Values], source: str, most: int | None = None) -> int:
        """Queues configurations to be tried next; see `Asking.enqueue`."""
        return self._asking.enqueue(configurations, source, most)

    def orphans(self) -> list[Asked]:
        """Returns the trials that a dead supervisor left running, with the values they had."""
        asked = []
        for trial, values in self._asking.orphans():
            self._running[trial.number] = trial
            losses = (int(trial.user_attrs.get(name, 0)) for name in (ATTEMPTS, CRASHES))
            asked.append(Asked(trial.number, values, *losses))
        return asked

    def results_of(self, numbers: Container[int]) -> list[TrialResult]:
        """Returns the results of those of these trials that have ended."""
        ended = self.optuna.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
        return [
            TrialResult(frozen.number, **frozen.user_attrs[RESULT])
            for frozen in ended
            if frozen.number in numbers and RESULT in frozen.user_attrs
        ]

    def lost(self, number: int, attempts: int, crashes: int) -> None:
        """Notes how many times a trial was lost, so that a restart does not forget.

        Args:
            number: The trial's number.
            attempts: The number of its losses.
            crashes: The number of those that were its own fault.
        """
        trial = self._running[number]
        persistently(lambda: trial.set_user_attr(ATTEMPTS, attempts))
        persistently(lambda: trial.set_user_attr(CRASHES, crashes))

    def report(self, number: int, value: float, step: int) -> bool:
        """Takes the first objective's value after an epoch or round, from 1; returns whether to prune the trial."""
        trial = self._running[number]

        def report_and_ask() -> bool:
            with warnings.catch_warnings():
                # A resumed trial may report an epoch again; Optuna keeps the first report, and warns.
                warnings.simplefilter("ignore", UserWarning)
                if self._mirror is None:
                    trial.report(value, step)
                    return trial.should_prune()
                note_step(trial, value, step)
                wanted, notes = self._mirror.report(number, value, step)
                note_pruning(trial, notes)
                return wanted

        return persistently(report_and_ask)

    def values_of(self, result: TrialResult) -> list[float]:
        """Returns the objectives' values of a completed trial, in order, with NaN for one that it does not have."""
        others = {**result.metrics, **result.cost}
        first = math.nan if result.value is None else result.value
        return [first, *(others.get(name, math.nan) for name, _ in self.definition.more_objectives)]

    def tell(self, result: TrialResult) -> None:
        """Records the outcome. A trial that was told before keeps its first outcome."""
        trial = self._running.pop(result.number)
        state = STATES[result.outcome]
        values = self.values_of(result) if state is TrialState.COMPLETE else None

        def record() -> None:
            if trial.storage.get_trial(trial._trial_id).state.is_finished():
                return
            trial.set_user_attr(RESULT, described(result))
            self._constrain(trial, result)
            if self._file is not None:
                self._file.add(self._reader.record(self._storage.get_trial(trial._trial_id), ended=True))
            with warnings.catch_warnings():
                # CMA-ES warns at every trial that it learns nothing from limits.
                warnings.filterwarnings("ignore", "Constraints have been set", UserWarning)
                self.optuna.tell(trial, values, state=state)

        persistently(record)
        if self._mirror is not None:
            self._mirror.tell(result.number, values[0] if values else None, state)

    def _constrain(self, trial: Trial, result: TrialResult) -> None:
        """Tells the sampler how feasible a trial was: 0 or less if it was, else the share by which it broke a limit."""
        for name, limit in self.definition.limits.items():
            if name in result.cost:
                trial.set_constraint(name, result.cost[name] / limit - 1.0)
        if result.outcome == "infeasible" and not result.over_limit:
            trial.set_constraint(MEMORY_CONSTRAINT, 1.0)

    def finished(self) -> int:
        """Returns the number of trials with an outcome, without those that were not trained for breaking a limit."""
        return sum(record.is_counted for record in self.records())

    def epochs_trained(self) -> int:
        """Returns the epochs of all ended trials; those of a running trial count when it ends."""
        return sum(record.epochs for record in self.records() if record.has_ended)

    def records(self) -> list[TrialRecord]:
        """Returns every trial that has begun, without those that are only queued or were set aside."""
        return [self._reader.record(frozen) for frozen in begun_trials(self.optuna)]

    def records_in(self, file: Path) -> list[TrialRecord]:
        """Returns the same as `records`, a hundred times faster for thousands of trials.

        Ended trials come from the owner's file, running ones from Optuna. If the file is damaged or lacks trials, such
        as those of a search in another folder, everything is read from Optuna.
        """
        read = RecordFile(file, self.identity).read()
        if read is None:
            return self.records()
        ended, set_aside = read
        open_states = (TrialState.RUNNING, TrialState.WAITING)
        unfinished = self._storage.get_all_trials(self.optuna._study_id, deepcopy=False, states=open_states)
        running = {frozen.number: frozen for frozen in unfinished if frozen.state is TrialState.RUNNING}
        known = {*ended, *set_aside, *(frozen.number for frozen in unfinished)}
        if len(known) != self._count():
            return self.records()
        records = {number: record for number, record in ended.items() if number not in running}
        records |= {number: self._reader.record(frozen) for number, frozen in running.items()}
        return [records[number] for number in sorted(records)]

    def _count(self) -> int | None:
        """Returns the number of trials in any state, or None if the storage cannot count without reading them."""
        if not isinstance(self._storage, RDBStorage):
            return None
        counted = sqlalchemy.text("SELECT COUNT(*) FROM trials WHERE study_id = :study")
        with self._storage.engine.connect() as connection:
            return int(connection.execute(counted, {"study": self.optuna._study_id}).scalar_one())

    def launch(self) -> Launch | None:
        """Returns the latest search that was noted."""
        noted = self.optuna.user_attrs.get(LAUNCH)
        return Launch(**noted) if noted else None

    def note_end(self) -> None:
        """Notes that the latest search came to its end, so that the next one does not continue it."""
        launch = self.launch()
        if launch is not None:
            self.note_launch(replace(launch, ended=True))

    def note_launch(self, launch: Launch) -> None:
        """Notes a search as the latest one."""
        persistently(lambda: self.optuna.set_user_attr(LAUNCH, asdict(launch)))

    def make_sure(self) -> None:
        """Puts the study back if somebody deleted or overwrote its database. Raises ApertuneError if that fails."""
        if isinstance(self._storage, OwnedStorage):
            persistently(self._storage.make_sure)

    def use(self, sampler: BaseSampler, pruner: BasePruner) -> None:
        """Sets the sampler and the pruner for the trials to come."""
        self.optuna.sampler, self.optuna.pruner = sampler, pruner
        if self.definition.more_objectives:
            self._mirror = MirroredPruning(pruner, self.name, self.definition.direction, begun_trials(self.optuna))
