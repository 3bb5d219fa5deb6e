"""The contract of executors, which run trials. The supervisor knows only this protocol.

Life of a call: the supervisor starts the workers, discovers a space once, then submits a task whenever `free_slots`
says there is room, and waits for events. Each submitted trial is answered by exactly one `TrialResult` or `TrialLost`,
after any number of other events. A stop request is a wish: the trial answers it with its result. `kill` is not: it ends
the worker, and the trial comes back as `TrialLost`.
"""

from __future__ import annotations

from typing import Protocol

from ..messages import Discovered, DiscoveryTask, StopRequest, TrialEvent, TrialTask


class Executor(Protocol):
    """Runs trials in its slots."""

    @property
    def slots(self) -> int:
        """Number of trials that can run beside each other, once started."""
        ...

    def start(self) -> None:
        """Begins to make workers ready, and returns at once. May be called again."""
        ...

    def discover(self, task: DiscoveryTask) -> Discovered:
        """Returns the space of the task, walked through.

        Raises:
            SpaceError: The space, or a setting for it, is wrong.
            ApertuneError: The space cannot be built.
        """
        ...

    def free_slots(self) -> int: ...

    def submit(self, task: TrialTask) -> None:
        """Starts a trial in a free slot; there must be one."""
        ...

    def wait(self, timeout_s: float) -> list[TrialEvent]:
        """Returns the events that came, in order; waits for some, but no longer than the timeout."""
        ...

    def stop(self, request: StopRequest) -> None: ...

    def kill(self, number: int, reason: str) -> None: ...

    def close(self) -> None:
        """Ends all workers at once. Trials that still run are not answered."""
        ...
