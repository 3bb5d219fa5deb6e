"""Where trials run. The supervisor knows only this protocol.

Life of a call: the supervisor starts the workers, discovers a space once, then submits a task whenever `free_slots`
says there is room, and waits for events. Each submitted trial is answered by exactly one `TrialResult` or `TrialLost`,
after any number of `TrialStarted` and `EpochEnded`. A stop request is a wish: the trial answers it with its result.
`kill` is not: it ends the worker, and the trial comes back as `TrialLost`.
"""

from __future__ import annotations

from typing import Protocol

from ..messages import DiscoveryTask, StopRequest, TrialEvent, TrialTask


class Executor(Protocol):
    """Runs trials in its slots."""

    @property
    def slots(self) -> int:
        """How many trials may run beside each other, once started."""
        ...

    def start(self) -> None:
        """Begins to make workers ready; returns at once. May be called again."""
        ...

    def discover(self, task: DiscoveryTask) -> str:
        """The discovered space as JSON (`SearchSpace.to_json`).

        Raises SpaceError when the user's words are at fault, ApertuneError when the space cannot be built.
        """
        ...

    def free_slots(self) -> int: ...

    def submit(self, task: TrialTask) -> None:
        """Starts a trial in a free slot; there must be one."""
        ...

    def wait(self, timeout_s: float) -> list[TrialEvent]:
        """Waits until there are events, at most so long, and returns them in order."""
        ...

    def stop(self, request: StopRequest) -> None: ...

    def kill(self, number: int, reason: str) -> None: ...

    def close(self) -> None:
        """Ends all workers, at once. Trials still running are not answered."""
        ...
