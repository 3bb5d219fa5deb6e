"""What a search's supervisor is to do."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .messages import TrialTask
from .studies.study import Asked
from .tracking.records import DatasetLogged


@dataclass(frozen=True)
class Plan:
    """target: trials the study is to have; make_task: a trial's task; folder: its folder.

    describe_models: a line on the models' disk space, from the parameters of the first network; may be empty.
    deadline, in `time.monotonic` seconds: no trial starts after it, and running ones end. trial_seconds and
    hang_seconds: how long one trial may take, and how long it may say nothing. epochs: that the study's trials may
    take in all. target_value: of the objective; once a trial reaches it, the search ends.
    """

    target: int
    make_task: Callable[[Asked], TrialTask]
    folder: Callable[[int], Path]
    dataset: DatasetLogged
    deadline: float = math.inf
    trial_seconds: float = math.inf
    hang_seconds: float = 1800.0
    epochs: float = math.inf
    target_value: float | None = None
    describe_models: Callable[[int], str] = lambda parameters: ""
