"""A study whose trials only pretend to train, for tests of the supervisor's policy. Needs no framework."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from apertune.datasets.base import TrainingView
from apertune.search.engine.planning import Plan
from apertune.search.engine.state import NoDisplay, State
from apertune.search.engine.supervisor import Supervisor
from apertune.search.evaluation.direction import Direction
from apertune.search.executors.base import Executor
from apertune.search.executors.in_process import InProcessExecutor
from apertune.search.messages import (
    Discovered,
    DiscoveryTask,
    Emit,
    EpochEnded,
    RunTrial,
    SpaceReference,
    StopRequest,
    StopRequested,
    TrialEvent,
    TrialResult,
    TrialStarted,
    TrialTask,
)
from apertune.search.strategies.pruners import make_pruner
from apertune.search.strategies.samplers import make_sampler
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.opening import create_study, open_study, study_exists
from apertune.search.studies.storage.storage import open_storage
from apertune.search.studies.study import Asked
from apertune.search.tracking.journal import Journal
from apertune.search.tracking.outbox import Outbox
from apertune.search.tracking.records import DatasetLogged
from apertune.search.trial_folder import TrialFolder
from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace

SPACE = SearchSpace((Parameter("rate", "float", 0.5, low=0.0, high=1.0, sampling="linear"),))
CONDITIONAL = SearchSpace(
    (
        Parameter("optimizer", "choice", "sgd", values=("sgd", "adam")),
        Parameter("rate", "choice", 0.1, values=(0.1, 0.2)),
        Parameter("momentum", "choice", 0.9, values=(0.0, 0.5, 0.9), conditions=(Condition("optimizer", ("sgd",)),)),
    )
)
EPOCHS = 4


def definition(**changes: object) -> StudyDefinition:
    facts: dict[str, object] = {
        "dataset": "pretended",
        "data": "nowhere",
        "task": "multiclass",
        "fingerprint": "ab" * 32,
        "space": "pretended",
        "search_space": SPACE.to_json(),
        "objective": "accuracy",
        "direction": Direction.MAXIMIZE,
        "epochs": EPOCHS,
    }
    return StudyDefinition(**{**facts, **changes})  # type: ignore[arg-type]  # names are given by the tests


def pretended_task(folder: Path, asked: Asked) -> TrialTask:
    """Returns a trial's task on a data set that nobody reads."""
    rows = np.arange(1)
    view = TrainingView(
        name="pretended",
        task="multiclass",
        classes=("a", "b", "c"),
        image_shape=(8, 8, 1),
        folder=folder,
        train=rows,
        validation=rows,
        fingerprint="ab" * 32,
    )
    return TrialTask(
        number=asked.number,
        view=view,
        space=SpaceReference("pretended"),
        search_space=SPACE,
        values=asked.values,
        seed=0,
        epochs=EPOCHS,
        patience=None,
        objective="accuracy",
        folder=folder / str(asked.number),
        attempt=asked.attempt,
    )


class Bench:
    """A study in a folder, created or continued, and supervisors for it."""

    def __init__(
        self, folder: Path, pruner: str = "none", space: SearchSpace = SPACE, name: str = "s", **changes: object
    ) -> None:
        self.folder = folder
        self.space = space
        self.url = f"sqlite:///{folder / 'studies.db'}"
        storage = open_storage(self.url)
        if study_exists(storage, name):
            self.study = open_study(storage, name)
        else:
            self.study = create_study(storage, name, definition(search_space=space.to_json(), **changes))
        self.study.own(folder / "trials.jsonl")
        self.study.use(make_sampler("random", len(self.study.records())), make_pruner(pruner, EPOCHS))
        self.display = NoDisplay()

    def reopen(self, pruner: str = "none") -> None:
        self.study = open_study(open_storage(self.url), self.study.name)
        self.study.own(self.folder / "trials.jsonl")
        self.study.use(make_sampler("random", 1), make_pruner(pruner, EPOCHS))

    def run(self, trial: RunTrial, target: int, wishes: Callable[[], int] = lambda: 0, **plan: Any) -> State:
        return self.run_with(InProcessExecutor(trial, self.space), target, wishes, **plan)

    def run_with(self, executor: Executor, target: int, wishes: Callable[[], int] = lambda: 0, **more: Any) -> State:
        dataset = DatasetLogged("", "pretended", "ab" * 32, "nowhere", {})
        plan = Plan(target, self.task, lambda number: TrialFolder(self.folder / str(number)), dataset, **more)
        with Outbox(self.folder / "outbox.jsonl") as outbox:
            journal = Journal(outbox, self.study, "launch", {})
            return Supervisor(self.study, executor, journal, plan, self.display, wishes).run()

    def task(self, asked: Asked) -> TrialTask:
        return replace(pretended_task(self.folder, asked), search_space=self.space, epochs=self.study.definition.epochs)

    def states(self) -> list[str]:
        return [record.state for record in self.study.records()]


def train(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
    """Pretends to train: the accuracy of every epoch is the rate."""
    value = float(task.values["rate"])
    emit(TrialStarted(task.number, 1, 1))
    for epoch in range(1, task.epochs + 1):
        emit(EpochEnded(task.number, epoch, {"val_accuracy": value}, 0.0, int(time.time() * 1000)))
    return TrialResult(task.number, "complete", value=value, metrics={"accuracy": value}, epochs=task.epochs)


class Slots:
    """An executor of several slots: each trial's accuracy is its rate, and each moves on by an epoch in turn.

    Args:
        slots: Number of slots.
        ends: Epochs after which a trial is complete, by its number; `EPOCHS` for the others.
    """

    def __init__(self, slots: int, ends: dict[int, int] | None = None) -> None:
        self.slots = slots
        self.epochs = 0
        self._ends = ends or {}
        self._running: dict[int, tuple[TrialTask, int]] = {}
        self._stopped: dict[int, StopRequest] = {}

    def start(self) -> None: ...

    def discover(self, task: DiscoveryTask) -> Discovered:
        raise AssertionError("the study has its space")

    def free_slots(self) -> int:
        return self.slots - len(self._running)

    def submit(self, task: TrialTask) -> None:
        self._running[task.number] = (task, 0)

    def stop(self, request: StopRequest) -> None:
        self._stopped[request.number] = request

    def kill(self, number: int, reason: str) -> None:
        raise AssertionError("nothing hangs here")

    def forget(self, number: int) -> None:
        del self._running[number]

    def close(self) -> None: ...

    def wait(self, timeout_s: float) -> list[TrialEvent]:
        return [self._step(number) for number in list(self._running)]

    def _step(self, number: int) -> TrialEvent:
        task, epoch = self._running[number]
        value, stopped = float(task.values["rate"]), self._stopped.get(number)
        if stopped is None and epoch < self._ends.get(number, EPOCHS):
            self._running[number] = (task, epoch + 1)
            self.epochs += 1
            return EpochEnded(number, epoch + 1, {"val_accuracy": value}, 0.0, 0)
        self.forget(number)
        outcome, reason = (stopped.outcome, stopped.reason) if stopped else ("complete", "")
        metrics = {"accuracy": value, "seconds": 1.0}
        return TrialResult(number, outcome, reason, value=value, metrics=metrics, epochs=epoch)
