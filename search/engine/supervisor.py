"""The one process that owns a search: it asks for values, has them trained, and records what comes of it.

It trains nothing and imports no framework. Every outcome of a trial passes through `ended`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from ..evaluation.saved import forget_answers, keep_answers, kept_numbers
from ..executors.base import Executor
from ..messages import EpochEnded, RoundEnded, StopRequest, TrialResult, TrialTask
from ..results import complete_best_first
from ..studies.study import Asked, Study
from ..tracking.journal import Journal
from ..trial_folder import TrialFolder
from .ends import Ends
from .planning import Plan
from .state import Attempt, Display, Running, State
from .stopping import StopLevel
from .trial_loop import TimeLimits, TrialLoop

# Worse trials are never taken for the best one, and the answers of each take a table of images by classes.
MOST_ANSWERS = 50


class Supervisor:
    """Runs one search; the `Trials` of its loop.

    Args:
        study: The study, owned by this process.
        executor: Where trials run.
        journal: Writes down what MLflow is to be told.
        plan: What the search is to bring.
        display: Shows it to a person.
        stop_wanted: Asked in every round how urgently to stop.
    """

    def __init__(
        self,
        study: Study,
        executor: Executor,
        journal: Journal,
        plan: Plan,
        display: Display,
        stop_wanted: Callable[[], int] = lambda: StopLevel.NO,
    ) -> None:
        self._study = study
        self._journal = journal
        self._plan = plan
        self._display = display
        self._user_wants = stop_wanted
        self._direction = study.definition.direction
        self._ends = Ends(plan, study.definition.objective, self._direction)
        self._told_of_models = False
        self._loop = TrialLoop(executor, self, TimeLimits(plan.hang_seconds, plan.trial_seconds), self._stop_wanted)
        self._state = State(
            study.definition.objective,
            plan.target,
            running=self._loop.running,
            deadline=plan.deadline,
            most_epochs=plan.epochs,
        )

    def run(self) -> State:
        """Brings the study to its target.

        Raises:
            ApertuneError: Every configuration fails.
            SettingError: All configurations cost more than allowed.
        """
        self._loop.waiting.extend(self._attempt(asked) for asked in self._study.orphans())
        self._journal.know_going_on(attempt.number for attempt in self._loop.waiting)
        self._know_earlier_trials()
        self._tell_what_was_cut_short()
        self._loop.run()
        self._state.ended = self._ends.reason or self._ends.exhausted
        self._close_waiting()
        return self._state

    def wants_more(self) -> bool:
        taken = self._state.finished + len(self._loop.running) + len(self._loop.waiting)
        return not self._ends.reason and not self._ends.exhausted and taken < self._plan.target

    def next(self) -> Attempt | None:
        asked = self._study.ask()
        if asked is not None:
            return self._attempt(asked)
        self._ends.exhausted = "every configuration of the space was tried"
        self._display.say(f"The search ends: {self._ends.exhausted}.")
        return None

    def begun(self, task: TrialTask) -> None:
        self._journal.trial_started(task, self._plan.dataset)

    def started(self, running: Running) -> None:
        if not self._told_of_models and (line := self._plan.describe_models(running.parameters or 0)):
            self._display.say(line)
        self._told_of_models = True

    def epoch_ended(self, running: Running, event: EpochEnded) -> StopRequest | None:
        self._journal.epoch_ended(event)
        self._ends.epochs += 1
        self._end(self._ends.budget_spent())
        value = event.metrics.get(f"val_{self._study.definition.objective}", math.nan)
        running.note_value(value, self._direction)
        if not math.isfinite(value):
            return None
        is_weak = self._study.definition.rounds == 1 and self._study.report(event.number, value, event.epoch)
        if not is_weak or event.epoch >= self._study.definition.epochs:
            return None
        return StopRequest(event.number, "pruned", f"pruned after epoch {event.epoch}")

    def round_ended(self, running: Running, event: RoundEnded) -> StopRequest | None:
        if not self._study.report(event.number, event.value, event.round):
            return None
        return StopRequest(event.number, "pruned", f"pruned after round {event.round}")

    def lost(self, attempt: Attempt) -> None:
        self._study.lost(attempt.number, attempt.task.attempt, attempt.crashes)

    def ended(self, result: TrialResult) -> None:
        """Records how a trial ended, in the study first: what it knows, no restart repeats."""
        folder = self._plan.folder(result.number)
        if result.outcome == "complete" and not all(map(math.isfinite, self._study.values_of(result))):
            result = replace(result, outcome="pruned", value=None, reason="an objective is not finite")
        if result.outcome != "interrupted":
            self._study.tell(result)
            self._state.finished += not result.over_limit
            self._state.over_limit += result.over_limit
            folder.forget_progress()
            if result.outcome == "complete":
                self._keep_answers(result.number, folder)
            if result.outcome == "complete" and self._is_best(result):
                self._state.best = result
                self._journal.best_trial(result)
        self._journal.trial_ended(result, folder)
        self._display.trial_ended(result, self._state)
        self._ends.count_failure(result)
        if result.outcome == "complete":
            self._end(self._ends.target_reached(result))

    def said(self, line: str) -> None:
        self._display.say(line)

    def looked(self) -> None:
        self._state.stopping, self._state.epochs = self._loop.stopping, self._ends.epochs
        self._display.update(self._state)

    def _attempt(self, asked: Asked) -> Attempt:
        return Attempt(self._plan.make_task(asked), asked.crashes)

    def _stop_wanted(self) -> StopLevel:
        wanted = StopLevel(self._user_wants())
        if not self._ends.time_is_up():
            return wanted
        if not self._loop.stopping:
            self._display.say("The time is up: running trials stop after their epoch.")
        return max(wanted, StopLevel.AFTER_EPOCH)

    def _know_earlier_trials(self) -> None:
        self._state.finished = self._study.finished()
        self._ends.epochs = self._study.epochs_trained()
        for record in self._study.records():
            result = TrialResult(record.number, "complete", value=record.value)
            if record.state == "complete" and self._is_best(result):
                self._state.best = result
        if self._state.best is not None:
            self._journal.best_trial(self._state.best)
            self._end(self._ends.target_reached(self._state.best))
        self._end(self._ends.budget_spent())

    def _tell_what_was_cut_short(self) -> None:
        """Records the ends of trials that the study knows and MLflow does not, as after a kill between the two."""
        for result in self._study.results_of(self._journal.trials_left_open()):
            folder = self._plan.folder(result.number)
            folder.forget_progress()
            self._journal.trial_ended(result, folder)

    def _end(self, reason: str) -> None:
        """Ends the search before its target, since it has all it wants; nothing happens without a reason.

        Running and waiting trials are pruned.
        """
        if not reason or self._ends.reason:
            return
        self._ends.reason = self._state.ended = reason
        self._display.say(f"The search ends: {reason}.")
        for number in self._loop.running:
            self._loop.stop(StopRequest(number, "pruned", reason, now=False))
        left_open = self._journal.trials_left_open() if self._loop.waiting else ()
        while self._loop.waiting:
            attempt = self._loop.waiting.popleft()
            if attempt.number not in left_open:
                self.begun(attempt.task)
            self.ended(TrialResult(attempt.number, "pruned", reason, epochs=self._loop.epochs_of(attempt.number)))

    def _close_waiting(self) -> None:
        """Ends the runs of trials that were to go on, and now do so in the next search."""
        left_open = self._journal.trials_left_open() if self._loop.waiting else ()
        for attempt in self._loop.waiting:
            if attempt.number in left_open:
                result = TrialResult(attempt.number, "interrupted", "the search was stopped")
                self._journal.trial_ended(result, self._plan.folder(attempt.number))

    def _keep_answers(self, number: int, folder: TrialFolder) -> None:
        """Keeps a trial's answers to the validation images, and forgets those of trials that are not among the best."""
        if self._plan.answers is None or not folder.artifacts.is_dir():
            return
        keep_answers(folder.artifacts, self._plan.answers, number)
        kept = kept_numbers(self._plan.answers)
        if len(kept) > MOST_ANSWERS:
            best = complete_best_first(self._study.records(), self._direction)[:MOST_ANSWERS]
            for worse in set(kept) - {record.number for record in best}:
                forget_answers(self._plan.answers, worse)

    def _is_best(self, result: TrialResult) -> bool:
        best = self._state.best
        if best is None:
            return True
        return result.value is not None and best.value is not None and self._direction.better(result.value, best.value)
