"""The memory of running trainings, and the protocol of a display that shows it to a person."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

from ..evaluation.direction import Direction
from ..messages import EpochEnded, StopRequest, TrialResult, TrialTask
from .stopping import StopLevel


@dataclass(frozen=True)
class Attempt:
    """A training that waits for a slot."""

    task: TrialTask
    """The training; its `attempt` counts the losses before."""

    crashes: int = 0
    """Number of those losses that were its own, not those of a worker that was killed from outside."""

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.task.number


@dataclass
class Running:
    """A training in a slot."""

    attempt: Attempt
    since: float
    """Start of this attempt, in `time.monotonic` seconds."""

    heard: float
    """Time of its worker's last message, in `time.monotonic` seconds."""

    epoch: int = 0
    """The last epoch it told, of any attempt."""

    value: float | None = None
    """The objective after that epoch."""

    best: float | None = None
    """The best value of the objective so far."""

    parameters: int | None = None
    """Parameters of its network, once it stands."""

    stop: StopRequest | None = None
    """The request to end that it was sent, if any."""

    late: list[EpochEnded] = field(default_factory=list)
    """Epochs that it told after it was to be pruned."""

    def note_value(self, value: float, direction: Direction) -> None:
        """Notes the objective after an epoch, and whether it is the best so far, which NaN and infinity never are."""
        self.value = value
        if math.isfinite(value) and (self.best is None or direction.better(value, self.best)):
            self.best = value

    @property
    def most_epochs(self) -> int:
        """Maximum epochs of the training, of all its folds and repeats together."""
        task = self.attempt.task
        return task.epochs * max(1, len(task.rounds))


@dataclass
class State:
    """The state of a search, or of a promotion's trainings: the memory of whoever runs them, which a display shows."""

    objective: str
    target: int
    """Trials that there are to be in the end."""

    finished: int = 0
    """Trials with an outcome."""

    running: dict[int, Running] = field(default_factory=dict)
    """Trials in a slot, by number."""

    best: TrialResult | None = None
    stopping: StopLevel = StopLevel.NO
    over_limit: int = 0
    """Configurations that cost too much to be trained."""

    epochs: int = 0
    """Epochs trained by all trials so far."""

    deadline: float = math.inf
    """End of the time, in `time.monotonic` seconds."""

    most_epochs: float = math.inf
    """The number of epochs at which the search ends."""

    ended: str = ""
    """Reason for ending before the target; empty where there is none, or where somebody stopped the search."""

    @property
    def was_stopped(self) -> bool:
        """True of a search that has ended before its target because somebody, or the time, stopped it."""
        return self.finished < self.target and not self.ended


class Display(Protocol):
    """Shows trainings to a person. The fake is `NoDisplay`."""

    def update(self, state: State) -> None: ...

    def trial_ended(self, result: TrialResult, state: State) -> None: ...

    def say(self, line: str) -> None: ...


class NoDisplay:
    """Shows nothing, and keeps the lines it was given."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def update(self, state: State) -> None:
        pass

    def trial_ended(self, result: TrialResult, state: State) -> None:
        self.lines.append(f"trial {result.number} {result.outcome}")

    def say(self, line: str) -> None:
        self.lines.append(line)
