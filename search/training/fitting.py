"""Fits one candidate, epoch by epoch, and leaves its model and predictions. Imported in workers only."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import TrainingView
from ...files.disk_space import with_space
from ...spaces.base import Candidate
from ..evaluation.metrics import Metric, evaluate, resolve_objective
from ..evaluation.saved import Evaluation, save_evaluation
from ..executors import devices
from ..messages import Emit, StopRequest, StopRequested, TrialDelayed, TrialResult, TrialStarted, TrialTask
from ..models.contract import ModelContract
from ..models.package import save_model
from ..trial_folder import TrialFolder
from .augmented_examples import save_augmented
from .checkpoint import TrainingState, load_checkpoint
from .epoch_monitor import EpochCloser, EpochMonitor
from .training_model import StreamedImages, TrainingModel

logger = logging.getLogger(__name__)

STEPS_PER_EXECUTION = 16
# Grouped steps save a millisecond each, but make TensorFlow trace the training step twice.
STEPS_WORTH_GROUPING = 2000
PREDICTION_BATCH = 512


@dataclass
class _Feed:
    """The data for `fit` and `predict`: row numbers into the table, or streams from disk."""

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


class Fitting:
    """Fits one candidate, epoch by epoch, and writes its model and predictions."""

    def __init__(self, task: TrialTask, candidate: Candidate, emit: Emit, stop_requested: StopRequested) -> None:
        self.task = task
        self.candidate = candidate
        self.network = candidate.network
        self.emit = emit
        self.stop_requested = stop_requested
        self.objective: Metric = resolve_objective(task.objective, task.view.task)
        self.labels = task.view.labels("validation")
        self.folder = TrialFolder(task.folder)
        self.checkpoint = self.folder.checkpoint
        self.feed = _feed(task.view, candidate.batch_size, task.seed)
        self.model = TrainingModel(candidate, task.view.task, self.feed.table)
        self.state = TrainingState()

    def run(self) -> StopRequest:
        """Trains until the budget, patience, a request or a lost cause ends it; returns that end."""
        self.state = load_checkpoint(self.checkpoint, self.candidate)
        if not self.candidate.optimizer.built:
            # Variables made while TensorFlow traces the step make it trace twice, and 6 MB of graph are never freed.
            self.candidate.optimizer.build(self.network.trainable_variables)
        self.emit(TrialStarted(self.task.number, self.network.count_params(), self.state.epoch + 1))
        for ended in self.state.history:
            self.emit(ended)
        steps = -(-len(self.task.view.train) // self.candidate.batch_size)
        self.model.compile(
            optimizer=self.candidate.optimizer,
            steps_per_execution=STEPS_PER_EXECUTION if steps * self.task.epochs > STEPS_WORTH_GROUPING else 1,
            auto_scale_loss=False,
        )
        monitor = EpochMonitor(self)
        if not self.has_all_epochs() and not self.out_of_patience():
            self.model.fit(
                self.feed.train,
                batch_size=None if self.feed.table is None else self.candidate.batch_size,
                initial_epoch=self.state.epoch,
                epochs=self._epochs,
                # `shuffle` below gives each epoch its order.
                shuffle=False,
                callbacks=[monitor, *self.candidate.callbacks, EpochCloser(monitor)],
                verbose=0,
            )
        return monitor.stop or StopRequest(self.task.number, "complete", "")

    def shuffle(self, epoch: int) -> None:
        """Puts the training rows into the order of an epoch, from 0."""
        if self.feed.table is None:
            self.feed.train.shuffle(epoch)
        else:
            self.model.shuffle(len(self.feed.train), self.task.seed, epoch)

    def predict(self) -> NDArray[np.float32]:
        """Probabilities of the validation rows: float32 (rows, outputs)."""
        if self.feed.table is None:
            probabilities, _ = self.model.predict(self.feed.validation, verbose=0)
            return np.asarray(probabilities, np.float32)
        # `predict` would build a tf.data pipeline each epoch, 60 ms. Batches of one size are compiled once.
        rows = self.feed.validation
        batches = -(-len(rows) // PREDICTION_BATCH)
        parts = np.resize(rows, (batches, -(-len(rows) // batches)))
        answers = [self.model.predict_on_batch(part)[0] for part in parts]
        return np.concatenate(answers)[: len(rows)].astype(np.float32)

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
        return best is None or self.objective.direction.better(value, best)

    @property
    def _epochs(self) -> int:
        return self.task.fixed_epochs or self.task.epochs

    def has_all_epochs(self) -> bool:
        return self.state.epoch >= self._epochs

    def out_of_patience(self) -> bool:
        """Returns whether training has gone on without gain for long enough; patience starts anew with fine-tuning.

        A frozen backbone soon has taught its new head all it can. To end there would be to never fine-tune.
        """
        patience = self.task.patience
        frozen = max((getattr(one, "first_phase_epochs", 0) for one in self.candidate.callbacks), default=0)
        return patience is not None and self.state.epoch - max(self.state.best_epoch, frozen) >= patience

    def finish(self, stop: StopRequest) -> TrialResult:
        """Restores the weights of the best epoch, evaluates them fully, and leaves model and predictions.

        If the number of epochs is fixed, the weights of the last epoch stay.
        """
        state, fixed = self.state, self.task.fixed_epochs is not None
        base = TrialResult(
            self.task.number, stop.outcome, stop.reason, epochs=state.epoch, parameters=self.network.count_params()
        )
        if not state.best_weights:
            return base
        if not fixed:
            self.network.set_weights(state.best_weights)
        metrics, probabilities = self.scores(per_epoch=False)
        self._save(lambda: self._save_evaluation(probabilities))
        if self.task.keep_model:
            self._save(self._save_model)
        return replace(
            base,
            value=metrics[self.objective.name] if fixed else state.best_value,
            metrics=metrics,
            best_epoch=state.epoch if fixed else state.best_epoch,
            has_model=self.task.keep_model,
        )

    def _save(self, save: Callable[[], None]) -> None:
        """Saves, and waits while the disk is full, which says nothing against the configuration."""
        number = self.task.number
        with_space(save, self.task.folder, lambda reason: self.emit(TrialDelayed(number, reason)))

    def _save_evaluation(self, probabilities: NDArray[np.float32]) -> None:
        folder = self.folder.artifacts
        shutil.rmtree(folder, ignore_errors=True)
        history = [ended.metrics for ended in self.state.history]
        task = self.task
        save_evaluation(folder, Evaluation(task.view, probabilities, history, task.objective, task.reference))
        if self.candidate.augmentation is not None:
            save_augmented(task, self.candidate.augmentation, folder)

    def _save_model(self) -> None:
        folder = self.folder.model
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
            adapter=view.adapter,
        )
        save_model(self.network, contract, folder)
