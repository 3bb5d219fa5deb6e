"""What passes between the supervisor and its workers: tasks one way, events the other. All of it picklable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..datasets.base import TrainingView
from ..spaces.search_space.parameters import SearchSpace, Values

Outcome = Literal["complete", "pruned", "infeasible", "failed", "interrupted"]


@dataclass(frozen=True)
class SpaceReference:
    """How a worker finds a space: its registry name or `package.module:Name`, and its options."""

    name: str
    recipe: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TrialTask:
    """One configuration to train: everything the result depends on, and where to leave it.

    epochs: at most so many. patience: stop when the objective has not improved for so many epochs; None never.
    folder: of this trial; checkpoint, model and plots go there. attempt: 0 the first time.
    reference: published scores to draw beside the trial's, by metric.
    limits: what the network may cost at most, by the names of `network_cost`; over one of them it is not trained.
    rounds: the folds and repeats to train one after the other, each on its own view; empty for one training on `view`.
    fixed_epochs: end after so many of the schedule's `epochs` and keep the last weights, where the validation rows
    are among those trained on; None keeps the best epoch's.
    """

    number: int
    view: TrainingView
    space: SpaceReference
    search_space: SearchSpace
    values: Values
    seed: int
    epochs: int
    patience: int | None
    objective: str
    folder: Path
    attempt: int = 0
    mixed_precision: bool = False
    keep_model: bool = True
    reference: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    measure_latency: bool = False
    rounds: tuple[TrainingView, ...] = ()
    fixed_epochs: int | None = None


@dataclass(frozen=True)
class DiscoveryTask:
    """A space to be walked; answered by `Discovered` or `DiscoveryFailed`."""

    view: TrainingView
    space: SpaceReference


@dataclass(frozen=True)
class StopRequest:
    """Ends the running trial at the next batch (`now`) or after its epoch, with this outcome."""

    number: int
    outcome: Outcome
    reason: str
    now: bool = True


@dataclass(frozen=True)
class TrialStarted:
    """The network stands: `parameters` numbers to learn and hold."""

    number: int
    parameters: int
    first_epoch: int


@dataclass(frozen=True)
class EpochEnded:
    """epoch: 1-based. metrics: loss, accuracy (training), val_* (validation), learning_rate. time_ms: Unix time.

    system: what the epoch took of the trial's own GPU, by MLflow's names for system metrics; empty without one.
    """

    number: int
    epoch: int
    metrics: dict[str, float]
    seconds: float
    time_ms: int
    system: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialDelayed:
    """The trial cannot go on, or not save what it leaves, for a reason that is not its own: a full disk."""

    number: int
    reason: str


@dataclass(frozen=True)
class RoundEnded:
    """One fold or repeat of a trial is trained. round: 1-based. value: its objective, of its best epoch."""

    number: int
    round: int
    value: float


@dataclass(frozen=True)
class TrialResult:
    """How a trial ended. metrics: on validation, of the best epoch's weights.

    value: the objective. seconds: in this attempt, building and saving included. peak_memory_mb: resident,
    of the worker, and of its GPU memory where known; gpu_utilization_percent: of its own GPU, on average.
    gpu_seconds, energy_joules: of that GPU, this worker's share where others share it; None without one.
    reason: why, unless complete. cost: of the network, by the names of `network_cost`. over_limit: it costs more
    than allowed, so it was not trained.
    """

    number: int
    outcome: Outcome
    reason: str = ""
    value: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    best_epoch: int = 0
    parameters: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    peak_gpu_memory_mb: float | None = None
    gpu_utilization_percent: float | None = None
    gpu_seconds: float | None = None
    energy_joules: float | None = None
    has_model: bool = False
    cost: dict[str, float] = field(default_factory=dict)
    over_limit: bool = False

    @property
    def ends_worker(self) -> bool:
        """Whether something went wrong in the process, so that the next trial needs a fresh one."""
        return self.outcome in ("failed", "infeasible") and not self.over_limit


@dataclass(frozen=True)
class TrialLost:
    """The worker died with its trial. out_of_memory: the kernel killed it for memory; killed: somebody else did."""

    number: int
    reason: str
    out_of_memory: bool = False
    killed: bool = False


@dataclass(frozen=True)
class WorkerReady:
    """A worker has imported the framework."""


@dataclass(frozen=True)
class Discovered:
    search_space: SearchSpace


@dataclass(frozen=True)
class DiscoveryFailed:
    """user_error: the user's words are at fault, and `reason` is fit for the user's eyes as it is."""

    reason: str
    user_error: bool


TrialEvent = TrialStarted | EpochEnded | TrialDelayed | RoundEnded | TrialResult | TrialLost
WorkerTask = TrialTask | DiscoveryTask

# What a trial tells of itself, what it asks between batches, and the trial as a function of both.
Emit = Callable[[TrialEvent], None]
StopRequested = Callable[[], StopRequest | None]
RunTrial = Callable[[TrialTask, Emit, StopRequested], TrialResult]
