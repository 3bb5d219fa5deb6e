"""Trains chosen configurations again, as a search trains: same loop, executors, retries and limits."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np

from ...datasets.base import TrainingView
from ...errors import ApertuneError, ModelError
from ...spaces.search_space.parameters import SearchSpace
from ..engine.planning import make_task
from ..engine.state import State
from ..engine.trial_loop import ListedTrainings, TimeLimits, TrialLoop
from ..evaluation.direction import Direction
from ..evaluation.metrics import Metric, default_objective, resolve_objective, task_objective
from ..evaluation.saved import load_evaluation
from ..executors.base import Executor
from ..messages import TrialResult, TrialTask
from ..models.package import check_manifest
from ..results import StudyResult
from ..studies.definition import StudyDefinition
from ..trial_folder import TrialFolder
from .source import TrainedNetwork, TrialSource

Say = Callable[[str], None]


@dataclass(frozen=True)
class Confirmation:
    """A trial's configuration, trained again with fresh seeds."""

    source: TrialSource
    values: tuple[float, ...]
    """The objective on the validation images, one per seed."""

    networks: tuple[TrainedNetwork, ...]
    """The networks to choose from."""

    @property
    def number(self) -> int:
        return self.source.trial.number

    @property
    def searched(self) -> float:
        """The value that the search saw, which was chosen for being high."""
        return self.source.trial.value or 0.0

    @property
    def mean(self) -> float:
        """The mean over the fresh seeds; without any, the value of the search."""
        return statistics.fmean(self.values) if self.values else self.searched

    @property
    def spread(self) -> float | None:
        """The standard deviation over the seeds; None with fewer than two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


def followed_metric(definition: StudyDefinition) -> Metric:
    """Returns the metric that a promotion trains, compares and tests by.

    It is the study's objective, or the task's usual one where only the user's own model can compute the objective:
    then nothing else could be compared with the winner.
    """
    metric = task_objective(definition.objective, definition.task, definition.direction)
    return resolve_objective(default_objective(definition.task), definition.task) if metric.own else metric


def confirmation_tasks(
    study: StudyResult, sources: Sequence[TrialSource], view: TrainingView, seeds: int, folder: Path
) -> list[TrialTask]:
    """Returns the tasks of training every trial with fresh seeds.

    The seeds are drawn from the trial's number, so that a repeated promotion finds its work done.
    """
    tasks: list[TrialTask] = []
    for source in sources:
        for index in range(seeds):
            seed = Random(f"confirmation/{source.trial.number}/{index}").randrange(2**31)
            task = confirmation_task(study, source, view, seed, folder / f"{source.trial.number:05d}-{seed}")
            tasks.append(replace(task, number=len(tasks)))
    return tasks


def refit_task(
    study: StudyResult, source: TrialSource, view: TrainingView, epochs: int, seed: int, folder: Path
) -> TrialTask:
    """Returns the task of training on training and validation images together, for a fixed number of epochs.

    The validation rows stay as they were, so that epochs can be logged. As the network has learned them, its scores on
    them mean nothing, and the last epoch's weights are kept instead of the best one's.
    """
    both = replace(view, train=np.union1d(view.train, view.validation))
    target = folder / f"{source.trial.number:05d}-{seed}-refit-{epochs}"
    return replace(confirmation_task(study, source, both, seed, target), patience=None, fixed_epochs=epochs, number=0)


def confirmation_task(
    study: StudyResult, source: TrialSource, view: TrainingView, seed: int, folder: Path
) -> TrialTask:
    """Returns the task of training a trial's configuration with a seed, on a view."""
    definition = study.definition
    return make_task(
        source.settings,
        view,
        SearchSpace.from_json(definition.search_space),
        followed_metric(definition).name,
        None,
        number=0,
        values=source.trial.params,
        seed=seed,
        folder=TrialFolder(folder),
    )


def train_all(
    tasks: Sequence[TrialTask],
    executor: Executor,
    say: Say,
    *,
    hang_seconds: float = TimeLimits.hang_seconds,
    show: Callable[[State], None] = lambda state: None,
) -> list[TrialResult]:
    """Trains every task, as a search trains; those that an earlier promotion finished are taken from their folders.

    Args:
        tasks: The trainings; one that fails is an outcome, as in a search.
        executor: Runs the trainings; started by the caller.
        say: Called with each line for the user.
        hang_seconds: A worker that says nothing for this long is killed, and its training tried again.
        show: Called repeatedly with the state of the trainings.
    """
    results = {task.number: found for task in tasks if (found := _finished_before(task)) is not None}
    if results:
        say(f"{len(results)} of {len(tasks)} trainings were done by an earlier promotion.")
    by_number = {task.number: task for task in tasks}
    state = State(tasks[0].objective, len(tasks), finished=len(results))

    def on_end(result: TrialResult) -> None:
        _keep(by_number[result.number], result)
        state.finished += 1
        say(_line(result, state.finished, len(tasks)))

    if len(results) < len(tasks):
        executor.start()
    left = [task for task in tasks if task.number not in results]
    trainings = ListedTrainings(left, say, on_end=on_end, on_look=lambda: show(state))
    loop = TrialLoop(executor, trainings, TimeLimits(hang_seconds))
    state.running = loop.running
    loop.run()
    results |= trainings.results
    return [results[task.number] for task in tasks]


def trained_network(task: TrialTask, result: TrialResult, trial: int) -> TrainedNetwork | None:
    """Returns the network that a task left; None if it did not complete."""
    if result.outcome != "complete" or result.value is None or not result.has_model:
        return None
    folder = TrialFolder(task.folder)
    probabilities = load_evaluation(folder.artifacts).probabilities
    return TrainedNetwork(trial, task.seed, result.value, result.best_epoch, folder.model, probabilities)


def choose(confirmations: Sequence[Confirmation], direction: Direction) -> Confirmation:
    """Returns the configuration with the best mean on validation.

    Raises:
        ApertuneError: None of them could be trained.
    """
    usable = [confirmation for confirmation in confirmations if confirmation.networks]
    if not usable:
        raise ApertuneError("none of the top trials could be trained again; see the logs under mlflow/logs")
    return min(usable, key=lambda confirmation: direction.loss(confirmation.mean))


def best_network(networks: Sequence[TrainedNetwork], direction: Direction) -> TrainedNetwork:
    """Returns the network with the best value on validation."""
    return min(networks, key=lambda network: direction.loss(network.value))


def _finished_before(task: TrialTask) -> TrialResult | None:
    folder = TrialFolder(task.folder)
    noted = folder.noted_result()
    if noted is None:
        return None
    result, _ = noted
    try:
        check_manifest(folder.model)
        load_evaluation(folder.artifacts)
    except (OSError, ValueError, TypeError, KeyError, ModelError):
        return None
    return replace(result, number=task.number)


def _keep(task: TrialTask, result: TrialResult) -> None:
    """Records a finished training in its folder as the last step, so that a recorded one is complete."""
    folder = TrialFolder(task.folder)
    folder.forget_progress()
    if result.outcome == "complete":
        folder.note_result(result)
    else:
        folder.remove()


def _line(result: TrialResult, done: int, total: int) -> str:
    value = "" if result.value is None else f" {result.value:.4f}"
    reason = f" ({result.reason})" if result.reason else ""
    return f"[{done}/{total}] training {result.outcome}{value}, {result.seconds:.0f} s{reason}"
