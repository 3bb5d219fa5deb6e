"""How a search stands, and who shows it to a person."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

from ..messages import EpochEnded, StopRequest, TrialResult
from ..studies.study import Asked


@dataclass
class Running:
    """A trial at work. best: the objective's best value so far; since, heard: `time.monotonic` seconds.

    late: epochs that it told after it was to be pruned.
    """

    asked: Asked
    since: float
    heard: float
    epoch: int = 0
    value: float | None = None
    best: float | None = None
    parameters: int | None = None
    stop: StopRequest | None = None
    late: list[EpochEnded] = field(default_factory=list)


@dataclass
class State:
    """What a display shows. objective: its name; finished: trials with an outcome; stopping: 0 no, 1 after the epoch,
    2 at once, 3 by force. over_limit: configurations that cost too much to be trained. deadline: when the time is up,
    `time.monotonic` seconds. epochs: trained by all trials so far; most_epochs: when there are so many the search ends.
    ended: why the search ended before its target, when nobody stopped it.
    """

    objective: str
    target: int
    finished: int = 0
    running: dict[int, Running] = field(default_factory=dict)
    best: TrialResult | None = None
    stopping: int = 0
    over_limit: int = 0
    epochs: int = 0
    deadline: float = math.inf
    most_epochs: float = math.inf
    ended: str = ""


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
