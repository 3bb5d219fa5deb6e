"""One trial: a pure function of data, space, values, seed and budget. It knows neither Optuna nor MLflow's server.

Imported in workers only, since it imports Keras.
"""

from __future__ import annotations

import gc
import logging
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from .. import spaces
from ..datasets.base import TrainingView
from ..spaces.base import Candidate
from . import devices
from .checkpoint import TrainingState, load_checkpoint, save_checkpoint
from .drawing import Evaluation, save_evaluation
from .evaluation.metrics import Metric, evaluate, resolve_objective
from .messages import EpochEnded, Outcome, StopRequest, TrialEvent, TrialResult, TrialStarted, TrialTask
from .model_contract import ModelContract
from .model_package import save_model
from .training import StreamedImages, TrainingModel

logger = logging.getLogger(__name__)

Emit = Callable[[TrialEvent], None]
StopRequested = Callable[[], StopRequest | None]

CHECKPOINT_SHARE_OF_TIME = 0.05
STEPS_PER_EXECUTION = 16
# Grouped steps save a millisecond each, but make TensorFlow trace the training step twice.
STEPS_WORTH_GROUPING = 2000
PREDICTION_BATCH = 512


def run_trial(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
    """Trains one configuration and says how it ended; what the configuration itself raises is an outcome too.

    emit: told of the start and of every epoch. stop_requested: asked between batches.
    """
    started = time.monotonic()
    devices.reset_peak_memory()
    try:
        result = _train(task, emit, stop_requested)
    except Exception as error:
        logger.exception("trial %d failed", task.number)
        outcome: Outcome = "infeasible" if _is_out_of_memory(error) else "failed"
        result = TrialResult(task.number, outcome, _one_line(error))
    finally:
        keras.utils.clear_session()
        gc.collect()
        devices.return_free_memory()
    return _measured(result, time.monotonic() - started)


def _measured(result: TrialResult, seconds: float) -> TrialResult:
    return TrialResult(**{**vars(result), "seconds": seconds, "peak_memory_mb": devices.peak_memory_mb()})


def _train(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
    keras.utils.set_random_seed(task.seed)
    keras.config.set_dtype_policy("mixed_bfloat16" if task.mixed_precision else "float32")
    space = spaces.load(task.space.name, task.view.spec(), recipe=task.space.recipe, options=task.space.options)
    hp = spaces.hyperparameters(task.search_space, task.values)
    candidate = space.candidate(hp, epochs=task.epochs, seed=task.seed)
    task.folder.mkdir(parents=True, exist_ok=True)
    training = _Training(task, candidate, emit, stop_requested)
    stop = training.run()
    if stop.outcome == "interrupted":
        return TrialResult(task.number, "interrupted", stop.reason, epochs=training.state.epoch)
    return training.finish(stop)


@dataclass
class _Feed:
    """What `fit` and `predict` are given: row numbers into the table, or streams from disk."""

    table: tuple[NDArray[np.uint8], NDArray[np.float32]] | None
    train: Any
    validation: Any


def _feed(view: TrainingView, batch_size: int, seed: int) -> _Feed:
    train, validation = len(view.train), len(view.validation)
    size = (train + validation) * math.prod(view.image_shape)
    targets = [view.targets("train"), view.targets("validation")]
    if devices.fits_on_device(size):
        logger.info("pixels lie on the device: %.0f MB", size / 1e6)
        pixels = np.concatenate([view.images("train"), view.images("validation")])
        rows = np.arange(train + validation, dtype=np.int32)
        return _Feed((pixels, np.concatenate(targets)), rows[:train], rows[train:])
    logger.info("pixels are streamed from disk: %.0f MB do not fit on the device", size / 1e6)
    return _Feed(
        None,
        StreamedImages(view.mapped_images("train"), targets[0], batch_size, seed=seed),
        StreamedImages(view.mapped_images("validation"), targets[1], PREDICTION_BATCH, seed=None),
    )


class _Training:
    """Fits one candidate, epoch by epoch, and writes what it leaves."""

    def __init__(self, task: TrialTask, candidate: Candidate, emit: Emit, stop_requested: StopRequested) -> None:
        self.task = task
        self.candidate = candidate
        self.network = candidate.network
        self.emit = emit
        self.stop_requested = stop_requested
        self.objective: Metric = resolve_objective(task.objective, task.view.task)
        self.labels = task.view.labels("validation")
        self.checkpoint = task.folder / "checkpoint.npz"
        self.feed = _feed(task.view, candidate.batch_size, task.seed)
        self.model = TrainingModel(candidate, task.view.task, self.feed.table)
        self.state = TrainingState()

    def run(self) -> StopRequest:
        """Trains until the budget, patience, a request or a lost cause ends it; returns that end."""
        self.state = load_checkpoint(self.checkpoint, self.network, self.candidate.optimizer)
        self.emit(TrialStarted(self.task.number, self.network.count_params(), self.state.epoch + 1))
        for ended in self.state.history:
            self.emit(ended)
        steps = -(-len(self.task.view.train) // self.candidate.batch_size)
        self.model.compile(
            optimizer=self.candidate.optimizer,
            steps_per_execution=STEPS_PER_EXECUTION if steps * self.task.epochs > STEPS_WORTH_GROUPING else 1,
            auto_scale_loss=False,
        )
        monitor = _Monitor(self)
        if self.state.epoch < self.task.epochs and not self.out_of_patience():
            self.model.fit(
                self.feed.train,
                batch_size=None if self.feed.table is None else self.candidate.batch_size,
                initial_epoch=self.state.epoch,
                epochs=self.task.epochs,
                callbacks=[monitor, *self.candidate.callbacks],
                verbose=0,
            )
        return monitor.stop or StopRequest(self.task.number, "complete", "")

    def predict(self) -> NDArray[np.float32]:
        """Probabilities of the validation rows: float32 (rows, outputs)."""
        batch_size = None if self.feed.table is None else PREDICTION_BATCH
        probabilities, _ = self.model.predict(self.feed.validation, batch_size=batch_size, verbose=0)
        return np.asarray(probabilities, np.float32)

    def scores(self, *, per_epoch: bool) -> tuple[dict[str, float], NDArray[np.float32]]:
        probabilities = self.predict()
        if not np.isfinite(probabilities).all():
            return {self.objective.name: math.nan}, probabilities
        metrics = evaluate(self.task.view.task, self.labels, probabilities, per_epoch=per_epoch)
        if self.objective.name not in metrics:
            metrics[self.objective.name] = self.objective.score(self.labels, probabilities)
        return metrics, probabilities

    def improved(self, value: float) -> bool:
        best = self.state.best_value
        return best is None or (value > best if self.objective.direction == "maximize" else value < best)

    def out_of_patience(self) -> bool:
        patience = self.task.patience
        return patience is not None and self.state.epoch - self.state.best_epoch >= patience

    def finish(self, stop: StopRequest) -> TrialResult:
        """Restores the best epoch's weights, evaluates them fully, and leaves model and predictions in the folder."""
        state = self.state
        base = TrialResult(
            self.task.number, stop.outcome, stop.reason, epochs=state.epoch, parameters=self.network.count_params()
        )
        if not state.best_weights:
            return base
        self.network.set_weights(state.best_weights)
        metrics, probabilities = self.scores(per_epoch=False)
        self._save_evaluation(probabilities)
        if self.task.keep_model:
            self._save_model()
        return TrialResult(
            **{
                **vars(base),
                "value": state.best_value,
                "metrics": metrics,
                "best_epoch": state.best_epoch,
                "has_model": self.task.keep_model,
            }
        )

    def _save_evaluation(self, probabilities: NDArray[np.float32]) -> None:
        folder = self.task.folder / "artifacts"
        shutil.rmtree(folder, ignore_errors=True)
        history = [ended.metrics for ended in self.state.history]
        save_evaluation(folder, Evaluation(self.task.view, probabilities, history, self.task.objective))

    def _save_model(self) -> None:
        folder = self.task.folder / "model"
        shutil.rmtree(folder, ignore_errors=True)
        view = self.task.view
        contract = ModelContract(
            view.classes,
            view.task,
            view.image_shape,
            view.name,
            view.fingerprint,
            resize=view.resize,
            licence=view.licence,
        )
        save_model(self.network, contract, folder)


class _Monitor(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Watches the loss, answers stop requests, and closes each epoch: validation, event, best weights, checkpoint."""

    def __init__(self, training: _Training) -> None:
        super().__init__()
        self.training = training
        self.stop: StopRequest | None = None
        self._epoch_began = time.monotonic()
        self._saved_at = time.monotonic()
        self._saving_took = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch_began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            self._lost_cause("the training loss is not finite")
            return
        request = self.training.stop_requested()
        if request is not None and request.now:
            self._end(request)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self.stop is not None:
            return
        training, state, logs = self.training, self.training.state, {} if logs is None else logs
        validation, _ = training.scores(per_epoch=True)
        logs.update({f"val_{name}": value for name, value in validation.items()})
        if "log_loss" in validation:
            logs["val_loss"] = logs.pop("val_log_loss")
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(training.candidate.optimizer.learning_rate))
        value = validation[training.objective.name]
        metrics = {name: float(number) for name, number in logs.items()}
        seconds = time.monotonic() - self._epoch_began
        ended = EpochEnded(training.task.number, epoch + 1, metrics, seconds, int(time.time() * 1000))
        state.epoch = epoch + 1
        state.history.append(ended)
        if not math.isfinite(value):
            training.emit(ended)
            self._lost_cause(f"val_{training.objective.name} is not finite")
            return
        if training.improved(value):
            state.best_value, state.best_epoch = value, epoch + 1
            state.best_weights = training.network.get_weights()
        self._save_when_due()
        training.emit(ended)
        self._close_epoch()

    def _close_epoch(self) -> None:
        request = self.training.stop_requested()
        if request is not None:
            if request.outcome == "interrupted":
                self._save_when_due(always=True)
            self._end(request)
        elif self.training.out_of_patience():
            self.model.stop_training = True

    def _save_when_due(self, *, always: bool = False) -> None:
        """Saves as often as costs no more than a twentieth of the time."""
        now = time.monotonic()
        if not always and self._saving_took > CHECKPOINT_SHARE_OF_TIME * (now - self._saved_at):
            return
        try:
            save_checkpoint(
                self.training.checkpoint, self.training.state, self.training.network, self.training.candidate.optimizer
            )
        except OSError as error:
            logger.warning("trial %d: no checkpoint: %s", self.training.task.number, error)
        self._saved_at = time.monotonic()
        self._saving_took = self._saved_at - now

    def _end(self, request: StopRequest) -> None:
        self.stop = request
        self.model.stop_training = True

    def _lost_cause(self, reason: str) -> None:
        epoch = self.training.state.epoch
        self._end(StopRequest(self.training.task.number, "pruned", f"{reason} (after {epoch} whole epochs)"))


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether a framework ran out of memory: TensorFlow, JAX and PyTorch each say so in their own way."""
    text = f"{type(error).__name__}: {error}"
    signs = ("ResourceExhausted", "RESOURCE_EXHAUSTED", "OutOfMemory", "out of memory", "MemoryError", "OOM when")
    return isinstance(error, MemoryError) or any(sign in text for sign in signs)


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:500]
