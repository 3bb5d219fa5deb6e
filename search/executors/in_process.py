"""The fake that ships with the interface: trials run at once, in this process, one after another."""

from __future__ import annotations

from ...spaces.search_space.parameters import SearchSpace
from ..messages import DiscoveryTask, RunTrial, StopRequest, TrialEvent, TrialTask


class InProcessExecutor:
    """One slot without a process, for tests and for stepping through a trial in a debugger.

    run_trial: what a trial is; tests may give a function that only pretends to train. A trial runs inside `wait`,
    one epoch's event a call, so that the supervisor may prune it as it would a real one.
    """

    slots = 1

    def __init__(self, run_trial: RunTrial, search_space: SearchSpace) -> None:
        self._run_trial = run_trial
        self._search_space = search_space
        self._task: TrialTask | None = None
        self._stop: StopRequest | None = None

    def start(self) -> None:
        pass

    def discover(self, task: DiscoveryTask) -> str:
        return self._search_space.to_json()

    def free_slots(self) -> int:
        return int(self._task is None)

    def submit(self, task: TrialTask) -> None:
        self._task, self._stop = task, None

    def wait(self, timeout_s: float) -> list[TrialEvent]:
        if self._task is None:
            return []
        task, events = self._task, list[TrialEvent]()
        self._task = None
        events.append(self._run_trial(task, events.append, lambda: self._stop))
        return events

    def stop(self, request: StopRequest) -> None:
        self._stop = request

    def kill(self, number: int, reason: str) -> None:
        self._task = None

    def close(self) -> None:
        self._task = None
