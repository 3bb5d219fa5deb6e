"""The work around the epochs of a trial and between their batches. Imported in workers only."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import keras

from ...spaces.base import OBJECTIVE_LOG
from ..evaluation.direction import Direction
from ..messages import EpochEnded, StopRequest, TrialDelayed
from .checkpoint import restore_callbacks, save_checkpoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...spaces.base import Candidate
    from ..evaluation.metrics import Metric
    from ..messages import Emit, StopRequested, TrialTask
    from .checkpoint import TrainingState
    from .trainers import Trainer

logger = logging.getLogger(__name__)

CHECKPOINT_SHARE_OF_TIME = 0.05


class TrainingEndedError(BaseException):
    """Leaves a training loop of the user's that does not heed `stop_training`; no `except Exception` is to catch it."""


class MonitoredTraining(Protocol):
    """A training as its monitor sees it; `Fitting` is one."""

    task: TrialTask
    candidate: Candidate
    network: Any
    objective: Metric
    trainer: Trainer
    checkpoint: Path
    state: TrainingState
    emit: Emit
    stop_requested: StopRequested

    def shuffle(self, epoch: int) -> None: ...

    def averaged_weights(self) -> contextlib.AbstractContextManager[None]: ...

    def scores(self, *, per_epoch: bool) -> tuple[dict[str, float], NDArray[Any]]: ...

    def improved(self, value: float) -> bool: ...

    def keep_best(self, value: float | None, probabilities: NDArray[Any]) -> None: ...

    def has_all_epochs(self) -> bool: ...

    def out_of_patience(self) -> bool: ...


class EpochMonitor(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Begins each epoch, watches the loss, answers stop requests, and scores the epoch.

    The candidate's own callbacks come after it, since they act on the scores; then `EpochCloser`.
    """

    def __init__(self, training: MonitoredTraining) -> None:
        super().__init__()
        self.training = training
        self.stop: StopRequest | None = None
        self._epoch_began = time.monotonic()
        self._saved_at = time.monotonic()
        self._saving_took = 0.0
        self._told = False
        self._is_over = False
        self._ended_within_epoch = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._leave_if_over()
        self.training.shuffle(epoch)
        self._epoch_began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if self._is_over:
            return
        if not math.isfinite(float((logs or {}).get("loss", 0.0))):
            self._lost_cause("the training loss is not finite")
        else:
            request = self.training.stop_requested()
            if request is not None and request.now:
                self._end(request)
        self._ended_within_epoch = self._is_over

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self._ended_within_epoch:
            self._ended_within_epoch = False
            return
        self._leave_if_over()
        training, state, logs = self.training, self.training.state, {} if logs is None else logs
        with training.averaged_weights():
            validation, probabilities = training.scores(per_epoch=True)
        by_user = "val_loss" in logs
        logs.update({f"val_{name}": value for name, value in validation.items()})
        if "log_loss" in validation and not by_user:
            # Keras' own name, which callbacks look for.
            logs["val_loss"] = logs["val_log_loss"]
            if training.objective.name != "log_loss":
                del logs["val_log_loss"]
        if (rate := self._learning_rate()) is not None:
            logs["learning_rate"] = rate
        metrics = {name: float(number) for name, number in logs.items() if _is_number(number)}
        value = self._objective_value(metrics)
        if value is not None:
            logs[OBJECTIVE_LOG] = -value if training.objective.direction is Direction.MAXIMIZE else value
        now = time.monotonic()
        # A loop of the user's may number its epochs as it likes, and not tell of their beginning.
        ended = EpochEnded(training.task.number, state.epoch + 1, metrics, now - self._epoch_began, _now_ms())
        self._epoch_began = now
        state.epoch += 1
        state.history.append(ended)
        if value is not None and not math.isfinite(value):
            training.emit(ended)
            self._lost_cause(f"val_{training.objective.name} is not finite")
            return
        # Without a value there is no best epoch but the last.
        if value is None or training.improved(value):
            training.keep_best(value, probabilities)

    def _objective_value(self, metrics: dict[str, float]) -> float | None:
        """Returns the objective after an epoch; None for one of the user's own that is only known at the end."""
        name = f"val_{self.training.objective.name}"
        if self.training.objective.own and name not in metrics and self.training.objective.name in metrics:
            metrics[name] = metrics[self.training.objective.name]
        return metrics.get(name)

    def _learning_rate(self) -> float | None:
        """Returns the optimizer's rate; None where a loop of the user's keeps its optimizer to itself."""
        optimizer = self.training.candidate.optimizer
        if optimizer is None:
            return None
        return float(keras.ops.convert_to_numpy(optimizer.learning_rate))

    def close_unheard(self) -> None:
        """Scores a training whose loop told of no epoch, as one epoch."""
        self.on_epoch_end(0, {})
        self.close_epoch()

    def close_epoch(self) -> None:
        """Writes the checkpoint, reports the epoch, and ends training if that was asked for.

        A trial that hears that it is to be pruned when it has had all its epochs is complete.
        """
        if self.stop is not None:
            return
        self._save_when_due()
        self.training.emit(self.training.state.history[-1])
        request = self.training.stop_requested()
        if request is not None and not (request.outcome == "pruned" and self.training.has_all_epochs()):
            if request.outcome == "interrupted":
                self._save_when_due(always=True)
            self._end(request)
        elif self.training.out_of_patience() or self.training.has_all_epochs():
            self._stop_training()

    def _save_when_due(self, *, always: bool = False) -> None:
        """Saves, unless saving would take more than a twentieth of the time."""
        now = time.monotonic()
        if not self.training.trainer.can_resume:
            return
        if not always and self._saving_took > CHECKPOINT_SHARE_OF_TIME * (now - self._saved_at):
            return
        try:
            save_checkpoint(self.training.checkpoint, self.training.state, self.training.candidate)
        except OSError as error:
            logger.warning("trial %d: no checkpoint: %s", self.training.task.number, error)
            if not self._told:
                reason = f"no checkpoint can be written ({error}), so it would begin anew if its worker died"
                self.training.emit(TrialDelayed(self.training.task.number, reason))
            self._told = True
        self._saved_at = time.monotonic()
        self._saving_took = self._saved_at - now

    def _end(self, request: StopRequest) -> None:
        self.stop = request
        self._stop_training()

    def _stop_training(self) -> None:
        """Asks Keras's `fit` to end; a loop of the user's is left by an error once it begins something new."""
        self._is_over = True
        if self.model is not None:
            self.model.stop_training = True

    def _leave_if_over(self) -> None:
        if self._is_over:
            raise TrainingEndedError

    def _lost_cause(self, reason: str) -> None:
        epoch = self.training.state.epoch
        self._end(StopRequest(self.training.task.number, "pruned", f"{reason} (after {epoch} whole epochs)"))


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _now_ms() -> int:
    return int(time.time() * 1000)


class EpochCloser(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Closes each epoch after the candidate's callbacks, so that a checkpoint holds their state after that epoch."""

    def __init__(self, monitor: EpochMonitor) -> None:
        super().__init__()
        self._monitor = monitor

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        restore_callbacks(self._monitor.training.state, self._monitor.training.candidate)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._monitor.close_epoch()
