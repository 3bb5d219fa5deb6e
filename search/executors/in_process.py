"""The fake that ships with the interface: trials run in this process, one after another, a step at a time."""

from __future__ import annotations

import threading

from ...spaces.search_space.parameters import SearchSpace
from ..messages import Discovered, DiscoveryTask, RunTrial, StopRequest, TrialEvent, TrialLost, TrialTask


class InProcessExecutor:
    """One slot without a process, for tests and for stepping through a trial in a debugger.

    A trial has a thread of its own, which moves only while `wait` is called, from one event to the next. So it hears
    of a stop request after the event that caused it, as a worker would at the latest.

    Args:
        run_trial: What a trial is; tests may give a function that only pretends to train.
        search_space: The answer to every discovery.
    """

    slots = 1

    def __init__(self, run_trial: RunTrial, search_space: SearchSpace) -> None:
        self._run_trial = run_trial
        self._search_space = search_space
        self._trial: _SteppedTrial | None = None

    def start(self) -> None:
        pass

    def discover(self, task: DiscoveryTask) -> Discovered:
        return Discovered(self._search_space)

    def free_slots(self) -> int:
        return int(self._trial is None)

    def submit(self, task: TrialTask) -> None:
        self._trial = _SteppedTrial(self._run_trial, task)

    def wait(self, timeout_s: float) -> list[TrialEvent]:
        """Runs the trial to its next event, however long that takes; whatever the trial raises is raised here."""
        if self._trial is None:
            return []
        event = self._trial.step()
        if self._trial.has_ended:
            self._trial = None
        return [event]

    def stop(self, request: StopRequest) -> None:
        if self._trial is not None and self._trial.number == request.number:
            self._trial.stop = request

    def kill(self, number: int, reason: str) -> None:
        if self._trial is not None and self._trial.number == number:
            self._trial.killed_because = reason

    def close(self) -> None:
        if self._trial is not None:
            self._trial.abandon()
            self._trial = None


class _KilledError(BaseException):
    """Leaves a trial where it tells or asks something; no trial is to catch it."""


class _SteppedTrial:
    """A trial in a thread that waits after each event until it is told to go on."""

    def __init__(self, run_trial: RunTrial, task: TrialTask) -> None:
        self.number = task.number
        self.has_ended = False
        self.stop: StopRequest | None = None
        self.killed_because = ""
        self._event: TrialEvent | None = None
        self._error: BaseException | None = None
        self._may_go_on = threading.Semaphore(0)
        self._has_event = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(run_trial, task), daemon=True)
        self._thread.start()

    def step(self) -> TrialEvent:
        self._may_go_on.release()
        self._has_event.acquire()
        if self._error is not None:
            raise self._error
        assert self._event is not None
        return self._event

    def abandon(self) -> None:
        """Ends the thread where the trial next tells or asks something; what it says is not heard."""
        self.killed_because = "the executor was closed"
        self._may_go_on.release()
        self._thread.join()

    def _run(self, run_trial: RunTrial, task: TrialTask) -> None:
        self._may_go_on.acquire()
        try:
            self._event = run_trial(task, self._emit, self._stop_requested)
        except _KilledError:
            self._event = TrialLost(task.number, self.killed_because)
        except BaseException as error:
            self._error = error
        self.has_ended = True
        self._has_event.release()

    def _emit(self, event: TrialEvent) -> None:
        self._event = event
        self._has_event.release()
        self._may_go_on.acquire()
        self._look_for_kill()

    def _stop_requested(self) -> StopRequest | None:
        self._look_for_kill()
        return self.stop

    def _look_for_kill(self) -> None:
        if self.killed_because:
            raise _KilledError
