"""Trains chosen configurations again, in the same worker processes and by the same trial as a search."""

from __future__ import annotations

import shutil
import statistics
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np

from ...datasets.base import TrainingView
from ...errors import ApertuneError, ModelError
from ...spaces.search_space.parameters import SearchSpace
from ..engine.retries import is_tried_again
from ..evaluation.saved import load_evaluation
from ..executors.base import Executor
from ..messages import TrialLost, TrialResult, TrialTask
from ..models.package import check_manifest
from ..results import StudyResult
from ..training.noted_results import note_result, noted_result
from ..training.rounds import forget_progress
from .source import TrainedNetwork, TrialSource

LOOK_EVERY_S = 0.5
RESULT_FILE = "result.json"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Confirmation:
    """How a trial's configuration does with fresh seeds. values: the objective on validation, one a seed.

    searched: what the search saw, which was chosen for being high. networks: those trained.
    """

    source: TrialSource
    values: tuple[float, ...]
    networks: tuple[TrainedNetwork, ...]

    @property
    def number(self) -> int:
        return self.source.trial.number

    @property
    def searched(self) -> float:
        return self.source.trial.value or 0.0

    @property
    def mean(self) -> float:
        """Of the fresh seeds; of the search where there are none."""
        return statistics.fmean(self.values) if self.values else self.searched

    @property
    def spread(self) -> float | None:
        """Standard deviation over the seeds; None with fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


def confirmation_tasks(
    study: StudyResult, sources: Sequence[TrialSource], view: TrainingView, seeds: int, folder: Path
) -> list[TrialTask]:
    """Every trial with so many fresh seeds, drawn from its number, so that a repeated promotion finds its work done."""
    tasks: list[TrialTask] = []
    for source in sources:
        for index in range(seeds):
            seed = Random(f"confirmation/{source.trial.number}/{index}").randrange(2**31)
            task = _task(study, source, view, seed, folder / f"{source.trial.number:05d}-{seed}")
            tasks.append(replace(task, number=len(tasks)))
    return tasks


def refit_task(
    study: StudyResult, source: TrialSource, view: TrainingView, epochs: int, seed: int, folder: Path
) -> TrialTask:
    """The configuration on training and validation images together, for a fixed number of its schedule's epochs.

    The validation rows stay what they were, so that epochs can be logged, but the network has learned them: its
    scores on them mean nothing, so the last epoch's weights are kept and not the best one's.
    """
    both = replace(view, train=np.union1d(view.train, view.validation))
    target = folder / f"{source.trial.number:05d}-{seed}-refit-{epochs}"
    return replace(_task(study, source, both, seed, target), patience=None, fixed_epochs=epochs, number=0)


def _task(study: StudyResult, source: TrialSource, view: TrainingView, seed: int, folder: Path) -> TrialTask:
    return TrialTask(
        number=0,
        view=view,
        space=source.space,
        search_space=SearchSpace.from_json(study.definition.search_space),
        values=source.trial.params,
        seed=seed,
        epochs=study.definition.epochs,
        patience=source.patience,
        objective=study.definition.objective,
        folder=folder,
        mixed_precision=source.mixed_precision,
    )


def train_all(tasks: Sequence[TrialTask], executor: Executor, say: Say) -> list[TrialResult]:
    """Trains every task; those that an earlier promotion finished are taken from their folders.

    A task whose worker dies is tried again as often as in a search. One that fails is an outcome, as there.
    """
    results = {task.number: found for task in tasks if (found := _finished_before(task)) is not None}
    if results:
        say(f"{len(results)} of {len(tasks)} trainings were done by an earlier promotion.")
    waiting = deque(task for task in tasks if task.number not in results)
    by_number = {task.number: task for task in tasks}
    losses, crashes = Counter[int](), Counter[int]()
    while len(results) < len(tasks):
        while waiting and executor.free_slots():
            executor.submit(waiting.popleft())
        for event in executor.wait(LOOK_EVERY_S):
            if isinstance(event, TrialLost):
                losses[event.number] += 1
                crashes[event.number] += not event.killed
                if is_tried_again(event, losses[event.number], crashes[event.number]):
                    waiting.append(replace(by_number[event.number], attempt=losses[event.number]))
                else:
                    results[event.number] = TrialResult(event.number, "failed", event.reason)
            elif isinstance(event, TrialResult):
                _keep(by_number[event.number], event)
                results[event.number] = event
                say(_line(event, len(results), len(tasks)))
    return [results[task.number] for task in tasks]


def trained_network(task: TrialTask, result: TrialResult, trial: int) -> TrainedNetwork | None:
    """What a task left; None when it did not complete."""
    if result.outcome != "complete" or result.value is None or not result.has_model:
        return None
    probabilities = load_evaluation(task.folder / "artifacts").probabilities
    return TrainedNetwork(trial, task.seed, result.value, result.best_epoch, task.folder / "model", probabilities)


def choose(confirmations: Sequence[Confirmation], direction: str) -> Confirmation:
    """The configuration of best mean on validation. Raises ApertuneError when none of them could be trained."""
    usable = [confirmation for confirmation in confirmations if confirmation.networks]
    if not usable:
        raise ApertuneError("none of the top trials could be trained again; see the logs under mlflow/logs")
    sign = 1 if direction == "maximize" else -1
    return max(usable, key=lambda confirmation: sign * confirmation.mean)


def best_network(networks: Sequence[TrainedNetwork], direction: str) -> TrainedNetwork:
    sign = 1 if direction == "maximize" else -1
    return max(networks, key=lambda network: sign * network.value)


def _finished_before(task: TrialTask) -> TrialResult | None:
    noted = noted_result(task.folder / RESULT_FILE)
    if noted is None:
        return None
    result, _ = noted
    try:
        check_manifest(task.folder / "model")
        load_evaluation(task.folder / "artifacts")
    except (OSError, ValueError, TypeError, KeyError, ModelError):
        return None
    return replace(result, number=task.number)


def _keep(task: TrialTask, result: TrialResult) -> None:
    """Notes a finished training in its folder, last, so that what is noted is whole."""
    forget_progress(task.folder)
    if result.outcome != "complete":
        shutil.rmtree(task.folder, ignore_errors=True)
        return
    note_result(task.folder / RESULT_FILE, result)


def _line(result: TrialResult, done: int, total: int) -> str:
    value = "" if result.value is None else f" {result.value:.4f}"
    reason = f" ({result.reason})" if result.reason else ""
    return f"[{done}/{total}] training {result.outcome}{value}, {result.seconds:.0f} s{reason}"
