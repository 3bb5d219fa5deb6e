"""Fits one candidate, epoch by epoch, and leaves its model and predictions. Imported in workers only."""

from __future__ import annotations

import contextlib
import logging
import math
import shutil
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...errors import SpaceError
from ...files.disk_space import with_space
from ...spaces.base import Candidate
from ..evaluation.metrics import Metric, evaluate, task_objective
from ..evaluation.saved import Evaluation, save_evaluation
from ..messages import Emit, StopRequest, StopRequested, TrialDelayed, TrialResult, TrialStarted, TrialTask
from ..models.averaged_views import answering_network
from ..models.contract import ModelContract
from ..models.package import save_model
from ..trial_folder import TrialFolder
from .additions import added_scores, additions_of
from .augmented_examples import save_augmented
from .averaging import averaged_weights, keep_averages
from .checkpoint import TrainingState, load_checkpoint
from .epoch_monitor import EpochCloser, EpochMonitor, TrainingEndedError
from .trainers import make_trainer

logger = logging.getLogger(__name__)


class Fitting:
    """Fits one candidate, epoch by epoch, and writes its model and predictions."""

    def __init__(self, task: TrialTask, candidate: Candidate, emit: Emit, stop_requested: StopRequested) -> None:
        self.task = task
        self.candidate = candidate
        self.network = candidate.network
        self.emit = emit
        self.stop_requested = stop_requested
        self.objective: Metric = task_objective(task.objective, task.view.task, task.direction)
        self.labels = task.view.labels("validation")
        self.folder = TrialFolder(task.folder)
        self.checkpoint = self.folder.checkpoint
        self.added = additions_of(task.space)
        self.trainer = make_trainer(task, candidate)
        self.state = TrainingState()
        # The best epoch's probabilities of the validation rows; None for one that a checkpoint was written of.
        self._best_probabilities: NDArray[np.float32] | None = None

    def run(self) -> StopRequest:
        """Trains until the budget, patience, a request or a lost cause ends it; returns that end."""
        if self.trainer.can_resume:
            self.state = load_checkpoint(self.checkpoint, self.candidate)
        optimizer = self.candidate.optimizer
        if optimizer is not None and not optimizer.built:
            # Variables made while TensorFlow traces the step make it trace twice, and 6 MB of graph are never freed.
            optimizer.build(self.network.trainable_variables)
        self.emit(TrialStarted(self.task.number, self.network.count_params(), self.state.epoch + 1))
        for ended in self.state.history:
            self.emit(ended)
        monitor = EpochMonitor(self)
        if not self.has_all_epochs() and not self.out_of_patience():
            callbacks = [monitor, *self.candidate.callbacks, EpochCloser(monitor)]
            # The user's own loop may not heed the wish to stop, so it is left by an error.
            with contextlib.suppress(TrainingEndedError):
                self.trainer.fit(callbacks, first_epoch=self.state.epoch, epochs=self._epochs)
            if monitor.stop is None and not self.state.best_weights:
                monitor.close_unheard()
        return monitor.stop or StopRequest(self.task.number, "complete", "")

    def shuffle(self, epoch: int) -> None:
        """Puts the training rows into the order of an epoch, from 0."""
        self.trainer.shuffle(epoch)

    def averaged_weights(self) -> contextlib.AbstractContextManager[None]:
        """Gives the network the averages of its weights for a while, where the recipe keeps averages."""
        if self.candidate.own_training is not None:
            return contextlib.nullcontext()
        return averaged_weights(self.network, self.candidate.optimizer)

    def scores(
        self, *, per_epoch: bool, known: NDArray[np.float32] | None = None
    ) -> tuple[dict[str, float], NDArray[np.float32]]:
        """Returns metrics and probabilities of the validation rows.

        Args:
            per_epoch: Compute only the metrics that are recorded after every epoch.
            known: The probabilities, where they were computed with these weights before.
        """
        probabilities = self.trainer.predict() if known is None else known
        if not np.isfinite(probabilities).all():
            return {self.objective.name: math.nan}, probabilities
        metrics = evaluate(self.task.view.task, self.labels, probabilities, per_epoch=per_epoch)
        if self.objective.name not in metrics and not self.objective.own:
            metrics[self.objective.name] = self.objective.score(self.labels, probabilities)
        if self.added.metrics:
            view = self.task.view
            targets = view.targets("validation")
            metrics |= added_scores(self.added, view.task, self.labels, targets, probabilities)
        return metrics, probabilities

    def improved(self, value: float) -> bool:
        best = self.state.best_value
        return best is None or self.objective.direction.better(value, best)

    def keep_best(self, value: float | None, probabilities: NDArray[np.float32]) -> None:
        """Keeps the weights of the epoch that just ended, with its probabilities of the validation rows."""
        self.state.best_value, self.state.best_epoch = value, self.state.epoch
        with self.averaged_weights():
            self.state.best_weights = self.network.get_weights()
        self._best_probabilities = probabilities

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
        elif self.candidate.own_training is None:
            keep_averages(self.network, self.candidate.optimizer)
        metrics, probabilities = self.scores(per_epoch=False, known=None if fixed else self._best_probabilities)
        metrics = {**self.trainer.returned, **metrics}
        if self.objective.own:
            metrics[self.objective.name] = self._own_value(fixed=fixed)
        self._save(lambda: self._save_evaluation(probabilities))
        if self.task.keep_model:
            self._save(self._save_model)
        return replace(
            base,
            value=metrics[self.objective.name] if fixed or self.objective.own else state.best_value,
            metrics=metrics,
            best_epoch=state.epoch if fixed else state.best_epoch,
            has_model=self.task.keep_model,
        )

    def _own_value(self, *, fixed: bool) -> float:
        """Returns the objective that the user's own code computes: after the best epoch, or returned at the end.

        Raises:
            SpaceError: Their code did neither.
        """
        name = self.objective.name
        after_epoch = self.state.history[-1].metrics.get(f"val_{name}") if fixed else self.state.best_value
        value = self.trainer.returned.get(name, self.trainer.returned.get(f"val_{name}", after_epoch))
        if value is None:
            known = ", ".join(sorted({*self.state.history[-1].metrics, *self.trainer.returned}))
            raise SpaceError(f"no metric is called '{name}' after an epoch or in what fit returns; there are: {known}")
        return value

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
        save_model(answering_network(self.candidate), ModelContract.of(self.task.view), folder)
