"""The one loop that trains, for a search, a promotion and a rerun alike.

It hands trainings to an executor, listens, ends those that hang or take too long, passes on the wish to stop, and
tries again what was lost. A `Trials` says what is trained, and what becomes of it. The loop trains nothing itself
and imports no framework.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ..evaluation.metrics import task_objective
from ..executors.base import Executor
from ..executors.retries import counted_losses, rule_of_loss
from ..messages import (
    EpochEnded,
    RoundEnded,
    StopRequest,
    TrialDelayed,
    TrialEvent,
    TrialLost,
    TrialResult,
    TrialStarted,
    TrialTask,
)
from .state import Attempt, Running
from .stopping import StopLevel

LOOK_EVERY_S = 0.5


class Trials(Protocol):
    """The trainings of a loop, and what becomes of them.

    Life of a training: `next` or an earlier loss gives an attempt, `begun` hears that it has a slot, `started`,
    `epoch_ended` and `round_ended` hear how it goes and may ask for its end, `lost` hears that it will be tried again,
    and `ended` hears its one result.
    """

    def wants_more(self) -> bool:
        """Returns whether `next` is to be asked for another training."""
        ...

    def next(self) -> Attempt | None:
        """Returns a training to begin, or None if there is none after all."""
        ...

    def begun(self, task: TrialTask) -> None: ...

    def started(self, running: Running) -> None: ...

    def epoch_ended(self, running: Running, event: EpochEnded) -> StopRequest | None:
        """Hears of an epoch, each once; returns a request for the training's end, or None."""
        ...

    def round_ended(self, running: Running, event: RoundEnded) -> StopRequest | None:
        """Hears of a fold or repeat; returns a request for the training's end, or None."""
        ...

    def lost(self, attempt: Attempt) -> None:
        """Hears that a worker was lost; `attempt` is the next one at its training."""
        ...

    def ended(self, result: TrialResult) -> None: ...

    def said(self, line: str) -> None:
        """Hears a line for a person."""
        ...

    def looked(self) -> None:
        """Is called in every round of the loop."""
        ...


@dataclass(frozen=True)
class TimeLimits:
    """Limits on the time of a training."""

    hang_seconds: float = 1800.0
    """A worker that says nothing for this long is killed, and its training tried again."""

    trial_seconds: float = math.inf
    """A training that takes longer is pruned."""


class TrialLoop:
    """Trains until nothing is left to train, or a stop is wanted.

    Args:
        executor: Where trainings run; started, and closed, by the caller.
        trials: What is trained.
        limits: How long a training may take.
        stop_wanted: Asked in every round how urgently to stop.
    """

    def __init__(
        self,
        executor: Executor,
        trials: Trials,
        limits: TimeLimits,
        stop_wanted: Callable[[], StopLevel] = lambda: StopLevel.NO,
    ) -> None:
        self.waiting: deque[Attempt] = deque()
        self.running: dict[int, Running] = {}
        self.stopping = StopLevel.NO
        self._executor = executor
        self._trials = trials
        self._limits = limits
        self._stop_wanted = stop_wanted
        self._lost: dict[int, Running] = {}
        self._listened = 0.0

    def run(self) -> None:
        """Trains; attempts that still wait at the end stay in `waiting`."""
        while True:
            self._look_for_ends()
            # One per round: asking among thousands of trials takes most of a second, and Ctrl-C must not wait.
            has_filled = self._fill_a_slot()
            self._trials.looked()
            if not self.running and not self._wants_more():
                return
            events = self._executor.wait(0.0 if has_filled else LOOK_EVERY_S)
            self._listened = time.monotonic()
            for event in events:
                self._handle(event)

    def stop(self, request: StopRequest) -> None:
        """Asks a running training to end, unless it was asked before."""
        running = self.running.get(request.number)
        if running is not None and running.stop is None:
            self._send_stop(running, request)

    def epochs_of(self, number: int) -> int:
        """Returns the epochs of a waiting training that were told before it was lost."""
        return self._lost[number].epoch if number in self._lost else 0

    def _send_stop(self, running: Running, request: StopRequest) -> None:
        running.stop = request
        self._executor.stop(request)

    def _wants_more(self) -> bool:
        return self.stopping is StopLevel.NO and (bool(self.waiting) or self._trials.wants_more())

    def _fill_a_slot(self) -> bool:
        """Starts the next training in a free slot; returns whether there were both."""
        if not self._wants_more() or self._executor.free_slots() == 0:
            return False
        attempt = self.waiting.popleft() if self.waiting else self._trials.next()
        if attempt is None:
            return False
        now = time.monotonic()
        begun = self._lost.pop(attempt.number, Running(attempt, now, now))
        self.running[attempt.number] = replace(begun, attempt=attempt, since=now, heard=now, stop=None)
        self._trials.begun(attempt.task)
        self._executor.submit(attempt.task)
        return True

    def _look_for_ends(self) -> None:
        """Passes on the wish to stop, and ends trainings that hang or are over their time."""
        now, limits = time.monotonic(), self._limits
        self._look_for_stop()
        for number, running in self.running.items():
            # Silence counts up to when workers were last listened to: a database may have delayed this process since.
            if self._listened - running.heard > limits.hang_seconds:
                self._executor.kill(number, f"it said nothing for {limits.hang_seconds / 60:g} minutes")
                running.heard = now
            elif now - running.since > limits.trial_seconds:
                reason = f"over its time of {limits.trial_seconds / 3600:g} h"
                self.stop(StopRequest(number, "pruned", reason))

    def _look_for_stop(self) -> None:
        wanted = self._stop_wanted()
        if wanted <= self.stopping:
            return
        self.stopping = wanted
        for number, running in self.running.items():
            if wanted is StopLevel.BY_FORCE:
                self._executor.kill(number, "the search was stopped")
            elif running.stop is None or running.stop.outcome == "interrupted":
                now = wanted is StopLevel.NOW
                self._send_stop(running, StopRequest(number, "interrupted", "the search was stopped", now=now))

    def _handle(self, event: TrialEvent) -> None:
        running = self.running.get(event.number)
        if running is None:
            if isinstance(event, TrialResult):
                self._trials.said(f"Trial {event.number}: {event.outcome} comes too late, and is left out.")
            return
        running.heard = time.monotonic()
        if isinstance(event, TrialStarted):
            running.parameters = event.parameters
            self._trials.started(running)
        elif isinstance(event, EpochEnded):
            self._epoch_ended(running, event)
        elif isinstance(event, RoundEnded):
            self._obey(self._trials.round_ended(running, event))
        elif isinstance(event, TrialDelayed):
            self._trials.said(f"Trial {event.number}: {event.reason}; make space, it goes on by itself.")
        elif isinstance(event, TrialLost):
            self._retry(running, event)
        else:
            if event.outcome == "complete":
                for late in running.late:
                    running.epoch = late.epoch
                    self._trials.epoch_ended(running, late)
            self._end(event)

    def _epoch_ended(self, running: Running, event: EpochEnded) -> None:
        # A resumed training tells its earlier epochs again.
        if event.epoch <= running.epoch:
            return
        # One that is to be pruned may tell more than count; if these were its last, it is complete, and they do.
        if running.stop is not None and running.stop.outcome == "pruned":
            running.late.append(event)
            return
        running.epoch = event.epoch
        self._obey(self._trials.epoch_ended(running, event))

    def _obey(self, request: StopRequest | None) -> None:
        if request is not None:
            self.stop(request)

    def _retry(self, running: Running, lost: TrialLost) -> None:
        """Puts back a training whose worker died, with the same values, to go on from its last checkpoint."""
        number, before = lost.number, running.attempt
        attempt = Attempt(replace(before.task, attempt=before.task.attempt + 1), before.crashes + (not lost.killed))
        rule, losses = rule_of_loss(lost), counted_losses(lost, attempt.task.attempt, attempt.crashes)
        if self.stopping:
            self._end(TrialResult(number, "interrupted", lost.reason, epochs=running.epoch))
        elif running.stop is not None and running.stop.outcome == "pruned":
            # It was to end anyway, and died before it could answer.
            self._end(TrialResult(number, "pruned", running.stop.reason, running.best, epochs=running.epoch))
        elif losses > rule.retries:
            self._end(TrialResult(number, rule.outcome, f"{lost.reason}, {losses} times", epochs=running.epoch))
        else:
            self._trials.said(f"Trial {number}: {lost.reason}; another worker goes on with it.")
            # The epochs it told stand, and are counted once when it tells them again.
            self._lost[number] = self.running.pop(number)
            self._trials.lost(attempt)
            self.waiting.append(attempt)

    def _end(self, result: TrialResult) -> None:
        self.running.pop(result.number, None)
        self._trials.ended(result)


class ListedTrainings:
    """A list of trainings, each to be trained to its end; the `Trials` of a promotion and of a rerun.

    Args:
        tasks: What to train; their numbers differ.
        say: Takes lines for a person.
        on_epoch: Hears of each epoch; may return a request for the training's end.
        on_end: Hears of each result.
        on_look: Is called with the running trainings in every round of the loop.
    """

    def __init__(
        self,
        tasks: Sequence[TrialTask],
        say: Callable[[str], None],
        *,
        on_epoch: Callable[[EpochEnded], StopRequest | None] = lambda event: None,
        on_end: Callable[[TrialResult], None] = lambda result: None,
        on_look: Callable[[], None] = lambda: None,
    ) -> None:
        self.results: dict[int, TrialResult] = {}
        self._left = deque(tasks)
        self._say = say
        self._on_epoch = on_epoch
        self._on_end = on_end
        self._on_look = on_look

    def wants_more(self) -> bool:
        return bool(self._left)

    def next(self) -> Attempt | None:
        return Attempt(self._left.popleft())

    def begun(self, task: TrialTask) -> None:
        pass

    def started(self, running: Running) -> None:
        pass

    def epoch_ended(self, running: Running, event: EpochEnded) -> StopRequest | None:
        task = running.attempt.task
        direction = task_objective(task.objective, task.view.task, task.direction).direction
        running.note_value(event.metrics.get(f"val_{task.objective}", math.nan), direction)
        return self._on_epoch(event)

    def round_ended(self, running: Running, event: RoundEnded) -> StopRequest | None:
        return None

    def lost(self, attempt: Attempt) -> None:
        pass

    def ended(self, result: TrialResult) -> None:
        self.results[result.number] = result
        self._on_end(result)

    def said(self, line: str) -> None:
        self._say(line)

    def looked(self) -> None:
        self._on_look()
