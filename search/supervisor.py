"""The one process that owns a search: it asks for values, hands them to workers, and records what they yield.

It trains nothing and imports no framework. Every outcome of a trial passes through `_conclude`, every loss of a
worker through `_put_back`, so failure policy sits in this file alone.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from ..errors import ApertuneError
from .executors.base import Executor
from .journal import Journal
from .messages import EpochEnded, Outcome, StopRequest, TrialEvent, TrialLost, TrialResult, TrialStarted, TrialTask
from .study import Asked, Study
from .tracking import DatasetLogged

LOOK_EVERY_S = 0.5
# A worker that was killed from outside says nothing against its trial; one that crashed, or that the kernel killed
# for memory, does.
RETRIES_WHEN_KILLED = 100
RETRIES_AFTER_CRASH = 1
FAILURES_IN_A_ROW = 5
# So the command ends within 10 s of the first Ctrl-C: a trial then goes on from its last whole epoch.
PATIENCE_WHEN_STOPPING_S = 3.0


@dataclass(frozen=True)
class Plan:
    """What the supervisor is to do. target: trials the study is to have; make_task: a trial's task; folder: its folder.

    describe_models: a line on the models' disk space, from the parameters of the first network; may be empty.
    deadline, in `time.monotonic` seconds: no trial starts after it, and running ones end. trial_seconds and
    hang_seconds: how long one trial may take, and how long it may say nothing.
    """

    target: int
    make_task: Callable[[Asked], TrialTask]
    folder: Callable[[int], Path]
    dataset: DatasetLogged
    deadline: float = math.inf
    trial_seconds: float = math.inf
    hang_seconds: float = 1800.0
    describe_models: Callable[[int], str] = lambda parameters: ""


@dataclass
class Running:
    """A trial at work. best: the objective's best value so far; since, heard: `time.monotonic` seconds."""

    asked: Asked
    since: float
    heard: float
    epoch: int = 0
    value: float | None = None
    best: float | None = None
    parameters: int | None = None
    stop: StopRequest | None = None


@dataclass
class State:
    """What a display shows. objective: its name; finished: trials with an outcome; stopping: 0 no, 1 after the epoch,
    2 at once, 3 by force."""

    objective: str
    target: int
    finished: int = 0
    running: dict[int, Running] = field(default_factory=dict)
    best: TrialResult | None = None
    stopping: int = 0
    note: str = ""


class Display(Protocol):
    """Shows a search to a person. The fake is `NoDisplay`."""

    def update(self, state: State) -> None: ...

    def trial_ended(self, result: TrialResult, state: State) -> None: ...

    def say(self, line: str) -> None: ...


class NoDisplay:
    """Shows nothing; keeps the lines it was given."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def update(self, state: State) -> None:
        pass

    def trial_ended(self, result: TrialResult, state: State) -> None:
        self.lines.append(f"trial {result.number} {result.outcome}")

    def say(self, line: str) -> None:
        self.lines.append(line)


class Supervisor:
    """Runs one search. `stopping_wanted` is looked at in every round: 0 no, 1 after the epoch, 2 now."""

    def __init__(
        self,
        study: Study,
        executor: Executor,
        journal: Journal,
        plan: Plan,
        display: Display,
        stopping_wanted: Callable[[], int] = lambda: 0,
    ) -> None:
        self._study = study
        self._executor = executor
        self._journal = journal
        self._plan = plan
        self._display = display
        self._stopping_wanted = stopping_wanted
        self._waiting: deque[Asked] = deque()
        self._failures = 0
        self._told_of_models = False
        self._stopping_since = 0.0
        self._state = State(study.definition.objective, plan.target)
        self._maximize = study.definition.direction == "maximize"

    def run(self) -> State:
        """Brings the study to its target. Raises ApertuneError when every configuration fails."""
        self._waiting.extend(self._study.orphans())
        self._state.finished = self._study.finished()
        while True:
            self._look_for_ends()
            self._fill_slots()
            self._display.update(self._state)
            if not self._state.running and not self._wants_more():
                return self._state
            for event in self._executor.wait(LOOK_EVERY_S):
                self._handle(event)

    def _wants_more(self) -> bool:
        return self._state.stopping == 0 and (bool(self._waiting) or self._open_places() > 0)

    def _open_places(self) -> int:
        return self._plan.target - self._state.finished - len(self._state.running) - len(self._waiting)

    def _fill_slots(self) -> None:
        while self._wants_more() and self._executor.free_slots() > 0:
            asked = self._waiting.popleft() if self._waiting else self._study.ask()
            now = time.monotonic()
            self._state.running[asked.number] = Running(asked, now, now)
            task = self._plan.make_task(asked)
            self._journal.trial_started(task, self._plan.dataset)
            self._executor.submit(task)

    def _look_for_ends(self) -> None:
        """Passes on the user's wish to stop, and ends trials that are over their time."""
        now = time.monotonic()
        self._look_for_stop(now)
        for number, running in self._state.running.items():
            if now - running.heard > self._plan.hang_seconds:
                self._executor.kill(number, f"it said nothing for {self._plan.hang_seconds / 60:g} minutes")
                running.heard = now
            elif now - running.since > self._plan.trial_seconds and running.stop is None:
                reason = f"over its time of {self._plan.trial_seconds / 3600:g} h"
                self._stop(running, StopRequest(number, "pruned", reason))

    def _look_for_stop(self, now: float) -> None:
        """The user's first wish lets epochs end, for a while; then, or at the second wish, batches; then none."""
        wanted, state = self._stopping_wanted(), self._state
        if now > self._plan.deadline and not state.stopping:
            self._display.say("The time is up: running trials stop after their epoch.")
            wanted = max(wanted, 1)
        if state.stopping and now - self._stopping_since > PATIENCE_WHEN_STOPPING_S:
            wanted = max(wanted, state.stopping + 1)
        if wanted <= state.stopping:
            return
        state.stopping, self._stopping_since = wanted, now
        for number, running in state.running.items():
            if wanted > 2:
                self._executor.kill(number, "the search was stopped")
            elif running.stop is None or running.stop.outcome == "interrupted":
                self._stop(running, StopRequest(number, "interrupted", "the search was stopped", now=wanted == 2))

    def _stop(self, running: Running, request: StopRequest) -> None:
        running.stop = request
        self._executor.stop(request)

    def _handle(self, event: TrialEvent) -> None:
        running = self._state.running.get(event.number)
        if running is None:
            return
        running.heard = time.monotonic()
        if isinstance(event, TrialStarted):
            running.parameters = event.parameters
            self._tell_of_models(event.parameters)
        elif isinstance(event, EpochEnded):
            self._epoch_ended(running, event)
        elif isinstance(event, TrialLost):
            self._put_back(running, event)
        else:
            self._conclude(event)

    def _tell_of_models(self, parameters: int) -> None:
        if not self._told_of_models and (line := self._plan.describe_models(parameters)):
            self._display.say(line)
        self._told_of_models = True

    def _epoch_ended(self, running: Running, event: EpochEnded) -> None:
        # A resumed trial tells its earlier epochs again, and a pruned one may tell one too many.
        if event.epoch <= running.epoch or (running.stop is not None and running.stop.outcome == "pruned"):
            return
        running.epoch = event.epoch
        self._journal.epoch_ended(event)
        value = event.metrics.get(f"val_{self._study.definition.objective}", math.nan)
        running.value = value
        if not math.isfinite(value):
            return
        if running.best is None or self._better(value, running.best):
            running.best = value
        if self._study.report(event.number, value, event.epoch) and running.stop is None:
            self._stop(running, StopRequest(event.number, "pruned", f"pruned after epoch {event.epoch}"))

    def _put_back(self, running: Running, lost: TrialLost) -> None:
        """A trial whose worker died is tried again with the same values, from its last checkpoint."""
        asked = replace(running.asked, attempt=running.asked.attempt + 1)
        retries = RETRIES_WHEN_KILLED if lost.killed else RETRIES_AFTER_CRASH
        if self._state.stopping:
            self._conclude(TrialResult(lost.number, "interrupted", lost.reason, epochs=running.epoch))
            return
        if asked.attempt > retries:
            outcome: Outcome = "infeasible" if lost.out_of_memory else "failed"
            reason = f"{lost.reason}, {asked.attempt} times"
            self._conclude(TrialResult(lost.number, outcome, reason, epochs=running.epoch))
            return
        self._display.say(f"Trial {lost.number}: {lost.reason}; it goes on in another.")
        del self._state.running[lost.number]
        self._study.lost(lost.number, asked.attempt)
        self._waiting.append(asked)

    def _conclude(self, result: TrialResult) -> None:
        """Records how a trial ended, in the study first: what it knows, no restart repeats."""
        del self._state.running[result.number]
        folder = self._plan.folder(result.number)
        if result.outcome == "complete" and not math.isfinite(result.value if result.value is not None else math.nan):
            result = replace(result, outcome="pruned", value=None, reason="no epoch gave a finite objective")
        if result.outcome != "interrupted":
            self._study.tell(result)
            self._state.finished += 1
            (folder / "checkpoint.npz").unlink(missing_ok=True)
            if result.outcome == "complete" and self._is_best(result):
                self._state.best = result
                self._journal.best_trial(result)
        self._journal.trial_ended(result, folder)
        self._display.trial_ended(result, self._state)
        self._count_failures(result)

    def _count_failures(self, result: TrialResult) -> None:
        """Gives up when nothing but failures comes, since more would cost time and teach nothing."""
        self._failures = self._failures + 1 if result.outcome == "failed" else 0
        if self._failures >= FAILURES_IN_A_ROW:
            raise ApertuneError(
                f"{self._failures} trials in a row failed; the last, trial {result.number}: {result.reason}"
            )

    def _is_best(self, result: TrialResult) -> bool:
        best = self._state.best
        return best is None or (
            result.value is not None and best.value is not None and self._better(result.value, best.value)
        )

    def _better(self, value: float, other: float) -> bool:
        return value > other if self._maximize else value < other
