"""The messages between a supervisor and its workers: tasks one way, events the other. All of them can be pickled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..datasets.base import TrainingView
from ..spaces.search_space.parameters import SearchSpace, Values
from ..spaces.search_space.shrinking import Ratios, Shrunk
from .evaluation.direction import Direction

Outcome = Literal["complete", "pruned", "infeasible", "failed", "interrupted"]


@dataclass(frozen=True)
class SpaceReference:
    """Name of a space, with all that a worker needs to find it."""

    name: str
    """A name of `apertune spaces list`, or `package.module:Name`."""

    recipe: str | None = None
    """The recipe of ours that a foreign space is trained by, if any."""

    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the space, as the user wrote them."""

    pickled: bytes = b""
    """The space itself, where it was sent from Python."""

    additions: str | None = None
    """Name of the callbacks, metrics and augmentation that the user sent along, if any."""

    pickled_additions: bytes = b""
    """These themselves."""


@dataclass(frozen=True, eq=False)
class TrialTask:
    """One configuration to train: everything that the result depends on, and where to leave it."""

    number: int
    view: TrainingView
    space: SpaceReference
    search_space: SearchSpace
    values: Values
    seed: int
    epochs: int
    """Epochs at most; schedules are laid out over this many."""

    patience: int | None
    """Epochs without improvement of the objective after which training ends; None for never."""

    objective: str
    """Name of the metric to follow."""

    folder: Path
    """The trial's folder (see `TrialFolder`)."""

    direction: Direction | None = None
    """Direction of the objective, which must be given where the user's own model computes it."""

    attempt: int = 0
    """Number of times that the trial was lost before."""

    mixed_precision: bool = False
    keep_model: bool = True
    reference: Mapping[str, float] = field(default_factory=dict)
    """Published scores to draw beside those of the trial, by metric."""

    limits: Mapping[str, float] = field(default_factory=dict)
    """Largest costs of the network, by the names of `network_cost`; a network over one of them is not trained."""

    measure_latency: bool = False
    rounds: tuple[TrainingView, ...] = ()
    """The folds and repeats to train one after the other, each on a view of its own; empty for one training."""

    fixed_epochs: int | None = None
    """Ends after this many of the schedule's epochs and keeps the last weights, for views whose validation rows are
    among those trained on; None keeps the weights of the best epoch."""


@dataclass(frozen=True)
class LimitsTask:
    """Configurations to bring within limits, and others to measure only."""

    search_space: SearchSpace
    """The space of the configurations, as the study has it."""

    limits: Mapping[str, float]
    """As those of a trial."""

    to_shrink: tuple[Values, ...] = ()
    to_measure: tuple[Values, ...] = ()


@dataclass(frozen=True)
class DiscoveryTask:
    """A space to walk through; the answer is `Discovered` or `DiscoveryFailed`."""

    view: TrainingView
    space: SpaceReference
    own_objectives: tuple[str, ...] = ()
    """Metrics that the user's own model is to compute."""

    rehearsals: Path | None = None
    """The folder that keeps the notes of rehearsals; None to walk through the space only."""

    within: LimitsTask | None = None
    """Set where the space is known, and costs of its networks are wanted instead."""


@dataclass(frozen=True)
class StopRequest:
    """The wish that a running trial ends with a certain outcome."""

    number: int
    outcome: Outcome
    reason: str
    now: bool = True
    """Ends at the next batch; otherwise after the epoch."""


@dataclass(frozen=True)
class TrialStarted:
    """The network of a trial is built."""

    number: int
    parameters: int
    """Numbers that the network holds."""

    first_epoch: int
    """The first epoch that this attempt trains, 1 for the first of all."""


@dataclass(frozen=True)
class EpochEnded:
    """One epoch of a trial is trained."""

    number: int
    epoch: int
    """1 for the first."""

    metrics: dict[str, float]
    """`loss` and `accuracy` on the training images, `val_*` on the validation images, and `learning_rate`."""

    seconds: float
    time_ms: int
    """End of the epoch, in Unix milliseconds."""

    system: dict[str, float] = field(default_factory=dict)
    """Use of the trial's own GPU, by MLflow's names of system metrics; empty without a GPU."""


@dataclass(frozen=True)
class TrialDelayed:
    """A trial cannot go on, or cannot save what it leaves, for a reason that is not its own, such as a full disk."""

    number: int
    reason: str


@dataclass(frozen=True)
class RoundEnded:
    """One fold or repeat of a trial is trained."""

    number: int
    round: int
    """1 for the first."""

    value: float
    """The objective after the best epoch of the round."""


@dataclass(frozen=True)
class TrialResult:
    """Outcome of a trial."""

    number: int
    outcome: Outcome
    reason: str = ""
    """Reason for the outcome; empty for a complete trial."""

    value: float | None = None
    """The objective on the validation images."""

    metrics: dict[str, float] = field(default_factory=dict)
    """All metrics on the validation images, with the weights of the best epoch."""

    epochs: int = 0
    best_epoch: int = 0
    parameters: int = 0
    seconds: float = 0.0
    """Time of this attempt, building and saving included."""

    peak_memory_mb: float = 0.0
    """Peak resident memory of the worker."""

    peak_gpu_memory_mb: float | None = None
    gpu_utilization_percent: float | None = None
    """Mean utilization of the trial's GPU."""

    gpu_seconds: float | None = None
    """The worker's share of the time on its GPU, which others may share; None without one."""

    energy_joules: float | None = None
    """The worker's share of the energy of its GPU; None where it is not measured."""

    has_model: bool = False
    cost: dict[str, float] = field(default_factory=dict)
    """Costs of the network, by the names of `network_cost`."""

    over_limit: bool = False
    """The network costs more than allowed, so it was not trained."""

    ends_search: bool = False
    """The user's code raised KerasTuner's `FatalError`, which ends the search."""

    @property
    def ends_worker(self) -> bool:
        """True if something went wrong in the process, so that the next trial needs a fresh one."""
        return self.outcome in ("failed", "infeasible") and not self.over_limit


@dataclass(frozen=True)
class TrialLost:
    """The worker died with its trial."""

    number: int
    reason: str
    out_of_memory: bool = False
    """The kernel or the cluster ended it because memory was full."""

    killed: bool = False
    """Somebody else killed it, which says nothing against the trial."""


@dataclass(frozen=True)
class WorkerReady:
    """A worker has imported the framework."""


@dataclass(frozen=True)
class Discovered:
    """A space that was walked through."""

    search_space: SearchSpace
    notes: tuple[str, ...] = ()
    """Lines for the user on how their model was read, and what cannot be done with it."""

    shrunk: tuple[Shrunk, ...] = ()
    """The configurations to shrink, in their order; fewer where the time was up before the last."""

    measured: tuple[tuple[Values, Ratios], ...] = ()
    """Those to measure that can be built, each with its costs divided by their limits."""


@dataclass(frozen=True)
class DiscoveryFailed:
    """A space that could not be walked through."""

    reason: str
    user_error: bool
    """The space or its settings are wrong, and `reason` can be shown to the user as it is."""


TrialEvent = TrialStarted | EpochEnded | TrialDelayed | RoundEnded | TrialResult | TrialLost
WorkerTask = TrialTask | DiscoveryTask

# Tells of an event; asks, between batches, whether to end; and a trial as a function of both.
Emit = Callable[[TrialEvent], None]
StopRequested = Callable[[], StopRequest | None]
RunTrial = Callable[[TrialTask, Emit, StopRequested], TrialResult]
