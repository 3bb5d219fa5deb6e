"""One search, from a data set and settings to finished trials."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ...datasets.base import ImageDataset
from ...errors import StudyError
from ...files.private import private_files
from ...spaces.foreign.sent import folder_of, is_sent, look_in
from ...spaces.search_space.narrowing import narrow
from ...spaces.search_space.parameters import SearchSpace, Values
from ...text import counted
from ..evaluation.direction import Direction
from ..executors.base import Executor
from ..executors.choosing import make_executor
from ..executors.memory_bound import HELPER_MB, least_mb
from ..messages import DiscoveryTask
from ..reports.study_standing import study_standing
from ..results import result_of, run_ids_by_number, without_owner
from ..sending.sender_process import PATIENCE_S, SenderProcess
from ..settings import Home, SearchSettings, make_home, most_models
from ..strategies.samplers import SAMPLERS, check_sampler
from ..studies.definition import StudyDefinition
from ..studies.objectives import Objective
from ..studies.opening import create_study, open_study, study_exists
from ..studies.storage.ownership import owned
from ..studies.storage.storage import open_storage
from ..studies.study import Study
from ..studies.trial_records import TrialRecord
from ..tracking.journal import Journal
from ..tracking.outbox import Outbox, read_progress
from ..tracking.provenance import about, described
from .beginning import begin
from .limits import Limiter
from .planning import Preparation, make_plan, make_prior, prepare, space_reference
from .state import Display, NoDisplay, State
from .stopping import stop_wishes
from .supervisor import Supervisor

# The user is waiting for the end; what is not sent by then, the next search or `apertune sync` sends.
PATIENCE_WHEN_STOPPED_S = 2.0


@dataclass(frozen=True)
class SearchResult:
    """The study as a search left it."""

    study: str
    dataset: str
    objective: str
    """Name of the first objective."""

    direction: Direction
    target: int
    """Trials that the search was to bring the study to."""

    finished: int
    """Trials of the study with an outcome."""

    stopped: bool
    """The search ended before its target, by the user or the time."""

    trials: tuple[TrialRecord, ...]
    """All trials of the study; those that go on with the next search are interrupted."""

    run_ids: dict[int, str]
    """MLflow runs by trial number."""

    unsent: int
    """Bytes of the outbox that MLflow does not have yet."""

    objectives: tuple[tuple[str, Direction], ...]
    """Name and direction of each objective, the first one first."""

    ended: str = ""
    """Reason for ending before the target; empty for a search that reached it or was stopped."""

    signal: int = 0
    """Number of the signal that stopped the search; 0 if none did."""

    @property
    def best(self) -> TrialRecord | None:
        """The best complete trial, if there is one."""
        complete = [trial for trial in self.trials if trial.state == "complete" and trial.value is not None]
        return self.direction.best(complete, lambda trial: trial.value or 0.0)


@private_files()
def run(
    dataset: ImageDataset,
    settings: SearchSettings | None = None,
    *,
    home: Home | None = None,
    display: Display | None = None,
    executor: Executor | None = None,
) -> SearchResult:
    """Searches the hyperparameters for a data set, and continues the study if there is one.

    Args:
        dataset: The data set; its test images stay out of reach.
        settings: How to search.
        home: Where to leave studies and results; the folder `mlflow` in the working directory unless given.
        display: Shows the search to a person; nothing is shown unless given.
        executor: Where trials run, closed at the end; made from the settings unless given.

    Raises:
        UserError: The settings are wrong, or the study was made for something else.
        ApertuneError: Every trial fails.
    """
    settings = settings or SearchSettings()
    home = home or make_home(os.environ, storage=settings.storage)
    display = display or NoDisplay()
    look_in(home.spaces)
    ready = prepare(dataset, settings, home)
    began = time.monotonic()
    executor = executor or make_executor(settings, home.root / "logs" / uuid.uuid4().hex[:8], at_most=settings.trials)
    with contextlib.ExitStack() as stack:
        stack.callback(executor.close)
        executor.start()
        display.say(_opening_line(dataset, executor.slots, ready.objectives))
        definition = _definition(dataset, ready, settings, home, executor, display)
        search_space = SearchSpace.from_json(definition.search_space)
        check_sampler(settings.sampler, search_space, len(ready.objectives))
        prior = make_prior(search_space, settings)
        reference = space_reference(settings)
        limiter = Limiter(executor, ready.view, reference, search_space, definition.limits, display.say)
        study = stack.enter_context(_claimed(home, settings, definition, limiter.default, display))
        stopping = stack.enter_context(stop_wishes(home.stop_file(study.name), display.say))
        outbox_path = home.study_folder(study.name) / "outbox.jsonl"
        outbox = stack.enter_context(Outbox(outbox_path))
        sender = stack.enter_context(
            SenderProcess(outbox_path, home, display.say, helped=_has_room_for_helper(settings, executor))
        )
        begin(study, settings, home, ready.begin_with, display.say, limiter.fitted)
        measured = limiter.measured(prior, settings.seed) if SAMPLERS[settings.sampler].uses_prior else ()
        plan = make_plan(dataset, ready, settings, home, study, began, measured)
        journal = Journal(outbox, study, uuid.uuid4().hex, about(dataset), most_models(settings.keep_models))
        files = [
            folder_of(name, home.spaces) for name in (settings.space, settings.additions) if name and is_sent(name)
        ]
        journal.search_started(plan.dataset, described(settings, study.name, executor.slots), files)
        try:
            state = _supervised(Supervisor(study, executor, journal, plan, display, stopping), study, journal)
            if not state.was_stopped:
                # Judged while the sender draws; its report and the words at the end read what is noted.
                study_standing(home, result_of(home, study))
        finally:
            executor.close()
            # A signal from here on stops no trial.
            signal = stopping.signal
            unsent = sender.finish(PATIENCE_S if stopping() == 0 else PATIENCE_WHEN_STOPPED_S)
    records = without_owner(study.records())
    return SearchResult(
        study=study.name,
        dataset=dataset.name,
        objective=definition.objective,
        direction=definition.direction,
        target=plan.target,
        finished=state.finished,
        stopped=state.was_stopped,
        trials=records,
        run_ids=run_ids_by_number(study, records, read_progress(outbox_path)),
        unsent=unsent,
        objectives=definition.objectives,
        ended=state.ended,
        signal=signal if state.was_stopped else 0,
    )


def _supervised(supervisor: Supervisor, study: Study, journal: Journal) -> State:
    try:
        state = supervisor.run()
    except BaseException:
        journal.search_ended("failed", "FAILED")
        raise
    if state.was_stopped:
        journal.search_ended("stopped", "KILLED")
    else:
        journal.search_ended("complete", "FINISHED")
        study.note_end()
    return state


def _has_room_for_helper(settings: SearchSettings, executor: Executor) -> bool:
    """Returns whether the memory that the user allows has room for a second process that draws plots."""
    bound_mb = settings.memory_mb
    return bound_mb is None or bound_mb >= least_mb(executor.slots, on_gpu=bool(settings.gpus)) + HELPER_MB


def _opening_line(dataset: ImageDataset, workers: int, objectives: tuple[Objective, ...]) -> str:
    images = f"{len(dataset.train):,} training and {len(dataset.validation):,} validation images"
    size = "x".join(map(str, dataset.image_shape))
    names = ", ".join(objective.name for objective in objectives)
    return (
        f"{dataset.name}: {images} of {size}, {len(dataset.classes)} classes; "
        f"objective {names}; {counted(workers, 'worker')}."
    )


def _definition(
    dataset: ImageDataset,
    ready: Preparation,
    settings: SearchSettings,
    home: Home,
    executor: Executor,
    display: Display,
) -> StudyDefinition:
    first, *others = ready.objectives
    own = tuple(objective.name for objective in ready.objectives if objective.own)
    task = DiscoveryTask(ready.view, space_reference(settings), own, home.root / "rehearsals")
    discovered = executor.discover(task)
    for line in discovered.notes:
        display.say(f"{line}.")
    space = narrow(discovered.search_space, settings.fix, settings.narrow)
    return StudyDefinition(
        dataset=dataset.name,
        data=dataset.source,
        task=dataset.task,
        fingerprint=dataset.fingerprint,
        space=settings.space,
        search_space=space.to_json(),
        objective=first.name,
        direction=first.direction,
        epochs=settings.epochs,
        more_objectives=tuple((objective.name, objective.direction) for objective in others),
        limits=settings.limits,
        folds=settings.folds,
        repeats=settings.repeats,
        recipe=settings.recipe,
        space_options=dict(settings.space_options),
        additions=settings.additions,
    )


@contextlib.contextmanager
def _claimed(
    home: Home,
    settings: SearchSettings,
    definition: StudyDefinition,
    begin_with: Callable[[], Values],
    display: Display,
) -> Iterator[Study]:
    """Opens the study, or creates it with a configuration to begin with, and keeps a second supervisor off it.

    Raises:
        StudyError: Another search has the study, or it was made for something else.
    """
    storage = open_storage(home.storage)
    base = settings.study or f"{definition.dataset}-{definition.space.rpartition(':')[2]}".replace(" ", "_")
    name = base
    number = 1
    while True:
        with owned(home, name):
            if not study_exists(storage, name):
                study = create_study(storage, name, definition, begin_with)
            else:
                study = open_study(storage, name)
                differences = study.definition.differences(definition)
                if differences and settings.study is None:
                    number += 1
                    name = f"{base}-{number}"
                    continue
                if differences:
                    raise StudyError(
                        f"study '{name}' was made for something else ({'; '.join(differences)}); "
                        "continue it with the same settings, or name another with --study"
                    )
            if number > 1:
                display.say(f"Study {base} was made with other settings, so this search is study {name}.")
            study.own(home.records_file(study.name))
            yield study
            study.make_sure()
            return
