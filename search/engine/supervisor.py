"""The one process that owns a search: it asks for values, hands them to workers, and records what they yield.

It trains nothing and imports no framework. Every outcome of a trial passes through `_conclude`, every loss of a
worker through `_put_back`, so failure policy sits in this file alone.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ...errors import ApertuneError, SettingError
from ..executors.base import Executor
from ..messages import (
    EpochEnded,
    Outcome,
    RoundEnded,
    StopRequest,
    TrialDelayed,
    TrialEvent,
    TrialLost,
    TrialResult,
    TrialStarted,
)
from ..studies.study import Asked, Study
from ..tracking.journal import Journal
from ..training.rounds import forget_progress
from .planning import Plan
from .retries import is_tried_again
from .state import Display, Running, State

LOOK_EVERY_S = 0.5
FAILURES_IN_A_ROW = 5
OVER_LIMIT_IN_A_ROW = 200


class Supervisor:
    """Runs one search. `stopping_wanted` is looked at in every round: 0 no, 1 after the epoch, 2 now, 3 by force."""

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
        self._lost: dict[int, Running] = {}
        self._failures = 0
        self._over_limit = 0
        self._told_of_models = False
        self._exhausted = ""
        self._listened = 0.0
        self._state = State(study.definition.objective, plan.target, deadline=plan.deadline, most_epochs=plan.epochs)
        self._maximize = study.definition.direction == "maximize"

    def run(self) -> State:
        """Brings the study to its target.

        Raises ApertuneError when every configuration fails, SettingError when all cost more than allowed.
        """
        self._waiting.extend(self._study.orphans())
        self._journal.know_going_on(asked.number for asked in self._waiting)
        self._know_earlier_trials()
        self._tell_what_was_cut_short()
        while True:
            self._look_for_ends()
            # One at a time: among thousands of trials asking takes most of a second, and Ctrl-C and workers are heard.
            has_filled = self._fill_a_slot()
            self._display.update(self._state)
            if not self._state.running and not self._wants_more():
                self._state.ended = self._state.ended or self._exhausted
                self._close_waiting()
                return self._state
            events = self._executor.wait(0.0 if has_filled else LOOK_EVERY_S)
            self._listened = time.monotonic()
            for event in events:
                self._handle(event)

    def _know_earlier_trials(self) -> None:
        self._state.finished = self._study.finished()
        self._state.epochs = self._study.epochs_trained()
        for record in self._study.records():
            result = TrialResult(record.number, "complete", value=record.value)
            if record.state == "complete" and self._is_best(result):
                self._state.best = result
        if self._state.best is not None:
            self._journal.best_trial(self._state.best)
            self._look_for_target_value(self._state.best)
        self._look_for_spent_epochs()

    def _tell_what_was_cut_short(self) -> None:
        """A supervisor may have been killed after the study, and before MLflow, was told how a trial ended."""
        for result in self._study.results_of(self._journal.trials_left_open()):
            folder = self._plan.folder(result.number)
            forget_progress(folder)
            self._journal.trial_ended(result, folder)

    def _wants_more(self) -> bool:
        more = not self._state.ended and not self._exhausted and self._open_places() > 0
        return self._state.stopping == 0 and (bool(self._waiting) or more)

    def _open_places(self) -> int:
        return self._plan.target - self._state.finished - len(self._state.running) - len(self._waiting)

    def _fill_a_slot(self) -> bool:
        """Answers whether there was one to fill."""
        if not self._wants_more() or self._executor.free_slots() == 0:
            return False
        asked = self._waiting.popleft() if self._waiting else self._study.ask()
        if asked is None:
            self._exhausted = "every configuration of the space was tried"
            self._display.say(f"The search ends: {self._exhausted}.")
            return False
        now = time.monotonic()
        begun = self._lost.pop(asked.number, Running(asked, now, now))
        self._state.running[asked.number] = replace(begun, asked=asked, since=now, heard=now, stop=None)
        task = self._plan.make_task(asked)
        self._journal.trial_started(task, self._plan.dataset)
        self._executor.submit(task)
        return True

    def _look_for_ends(self) -> None:
        """Passes on the user's wish to stop, and ends trials that are over their time."""
        now = time.monotonic()
        self._look_for_stop(now)
        for number, running in self._state.running.items():
            # Counted to when words were last listened for: a database may have held up the supervisor since.
            if self._listened - running.heard > self._plan.hang_seconds:
                self._executor.kill(number, f"it said nothing for {self._plan.hang_seconds / 60:g} minutes")
                running.heard = now
            elif now - running.since > self._plan.trial_seconds and running.stop is None:
                reason = f"over its time of {self._plan.trial_seconds / 3600:g} h"
                self._stop(running, StopRequest(number, "pruned", reason))

    def _look_for_stop(self, now: float) -> None:
        """The user's first wish lets epochs end, as the deadline does; the second batches, the third none."""
        wanted, state = self._stopping_wanted(), self._state
        if now > self._plan.deadline and not state.stopping:
            self._display.say("The time is up: running trials stop after their epoch.")
            wanted = max(wanted, 1)
        if wanted <= state.stopping:
            return
        state.stopping = wanted
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
            if isinstance(event, TrialResult):
                self._display.say(f"Trial {event.number}: {event.outcome} comes too late, and is left out.")
            return
        running.heard = time.monotonic()
        if isinstance(event, TrialStarted):
            running.parameters = event.parameters
            self._tell_of_models(event.parameters)
        elif isinstance(event, EpochEnded):
            self._epoch_ended(running, event)
        elif isinstance(event, RoundEnded):
            if self._study.report(event.number, event.value, event.round) and running.stop is None:
                self._stop(running, StopRequest(event.number, "pruned", f"pruned after round {event.round}"))
        elif isinstance(event, TrialDelayed):
            self._display.say(f"Trial {event.number}: {event.reason}; make space, it goes on by itself.")
        elif isinstance(event, TrialLost):
            self._put_back(running, event)
        else:
            if event.outcome == "complete":
                for late in running.late:
                    self._note_epoch(running, late)
            self._conclude(event)

    def _tell_of_models(self, parameters: int) -> None:
        if not self._told_of_models and (line := self._plan.describe_models(parameters)):
            self._display.say(line)
        self._told_of_models = True

    def _epoch_ended(self, running: Running, event: EpochEnded) -> None:
        # A resumed trial tells its earlier epochs again.
        if event.epoch <= running.epoch:
            return
        # One that is to be pruned may tell more than count; if these were its last, it is complete, and they do.
        if running.stop is not None and running.stop.outcome == "pruned":
            running.late.append(event)
            return
        is_weak = self._note_epoch(running, event)
        if is_weak and running.stop is None and event.epoch < self._study.definition.epochs:
            self._stop(running, StopRequest(event.number, "pruned", f"pruned after epoch {event.epoch}"))

    def _note_epoch(self, running: Running, event: EpochEnded) -> bool:
        """Answers whether the trial is to be pruned."""
        running.epoch = event.epoch
        self._journal.epoch_ended(event)
        self._state.epochs += 1
        self._look_for_spent_epochs()
        value = event.metrics.get(f"val_{self._study.definition.objective}", math.nan)
        running.value = value
        if not math.isfinite(value):
            return False
        if running.best is None or self._better(value, running.best):
            running.best = value
        return self._study.definition.rounds == 1 and self._study.report(event.number, value, event.epoch)

    def _look_for_spent_epochs(self) -> None:
        if self._state.epochs >= self._plan.epochs:
            self._end(f"{self._state.epochs} epochs are trained in all")

    def _look_for_target_value(self, result: TrialResult) -> None:
        wanted, value = self._plan.target_value, result.value
        if wanted is not None and value is not None and (value == wanted or self._better(value, wanted)):
            self._end(f"trial {result.number} reached {self._state.objective} {value:.4f}")

    def _end(self, reason: str) -> None:
        """Ends the search before its target, since it has all it wants: what runs or waits is pruned."""
        if self._state.ended:
            return
        self._state.ended = reason
        self._display.say(f"The search ends: {reason}.")
        for number, running in self._state.running.items():
            if running.stop is None:
                self._stop(running, StopRequest(number, "pruned", reason, now=False))
        left_open = self._journal.trials_left_open() if self._waiting else ()
        while self._waiting:
            asked = self._waiting.popleft()
            if asked.number not in left_open:
                self._journal.trial_started(self._plan.make_task(asked), self._plan.dataset)
            epochs = self._lost[asked.number].epoch if asked.number in self._lost else 0
            self._conclude(TrialResult(asked.number, "pruned", reason, epochs=epochs))

    def _close_waiting(self) -> None:
        """Ends the runs of trials that were to go on, and now do so in the next search."""
        if not self._waiting:
            return
        left_open = self._journal.trials_left_open()
        for asked in self._waiting:
            if asked.number in left_open:
                result = TrialResult(asked.number, "interrupted", "the search was stopped")
                self._journal.trial_ended(result, self._plan.folder(asked.number))

    def _put_back(self, running: Running, lost: TrialLost) -> None:
        """A trial whose worker died is tried again with the same values, from its last checkpoint."""
        before = running.asked
        asked = replace(before, attempt=before.attempt + 1, crashes=before.crashes + (not lost.killed))
        if self._state.stopping:
            self._conclude(TrialResult(lost.number, "interrupted", lost.reason, epochs=running.epoch))
            return
        if running.stop is not None and running.stop.outcome == "pruned":
            # It was to end anyway, and died before it could answer.
            self._conclude(TrialResult(lost.number, "pruned", running.stop.reason, running.best, epochs=running.epoch))
            return
        if not is_tried_again(lost, asked.attempt, asked.crashes):
            losses = asked.attempt if lost.killed else asked.crashes
            outcome: Outcome = "infeasible" if lost.out_of_memory else "failed"
            reason = f"{lost.reason}, {losses} times"
            self._conclude(TrialResult(lost.number, outcome, reason, epochs=running.epoch))
            return
        self._display.say(f"Trial {lost.number}: {lost.reason}; it goes on in another.")
        # What it told of its epochs stands, and is counted once, when it tells them again.
        self._lost[lost.number] = self._state.running.pop(lost.number)
        self._study.lost(asked)
        self._waiting.append(asked)

    def _conclude(self, result: TrialResult) -> None:
        """Records how a trial ended, in the study first: what it knows, no restart repeats."""
        self._state.running.pop(result.number, None)
        folder = self._plan.folder(result.number)
        if result.outcome == "complete" and not all(map(math.isfinite, self._study.values_of(result))):
            result = replace(result, outcome="pruned", value=None, reason="an objective is not finite")
        if result.outcome != "interrupted":
            self._study.tell(result)
            self._state.finished += not result.over_limit
            self._state.over_limit += result.over_limit
            forget_progress(folder)
            if result.outcome == "complete" and self._is_best(result):
                self._state.best = result
                self._journal.best_trial(result)
        self._journal.trial_ended(result, folder)
        self._display.trial_ended(result, self._state)
        self._count_failures(result)
        if result.outcome == "complete":
            self._look_for_target_value(result)

    def _count_failures(self, result: TrialResult) -> None:
        """Gives up when nothing but failures comes, since more would cost time and teach nothing."""
        self._over_limit = self._over_limit + 1 if result.over_limit else 0
        if self._over_limit >= OVER_LIMIT_IN_A_ROW:
            raise SettingError(
                f"{self._over_limit} configurations in a row cost more than allowed; the last: {result.reason}; "
                "raise the limit, or narrow the space with --narrow"
            )
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
