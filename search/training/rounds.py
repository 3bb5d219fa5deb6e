"""Trials of several rounds: a configuration is trained on every fold, or again with other seeds, and averaged.

Folds and repeats measure how much of a score is luck. A round that ended is kept on disk until the trial's end is
recorded, so that a trial whose worker died goes on with the round it was in. Plots and model are those of the first
round; every trial's first round has the same validation images, so that trials can be compared image by image.
"""

from __future__ import annotations

import logging
import random
import statistics
from dataclasses import replace

from ...files.disk_space import with_space
from ..messages import (
    Emit,
    EpochEnded,
    RoundEnded,
    RunTrial,
    StopRequested,
    TrialDelayed,
    TrialEvent,
    TrialResult,
    TrialStarted,
    TrialTask,
)
from ..trial_folder import TrialFolder

logger = logging.getLogger(__name__)


def run_rounds(task: TrialTask, emit: Emit, stop_requested: StopRequested, run_once: RunTrial) -> TrialResult:
    """Trains the rounds in order; the first that does not complete decides how the trial ends.

    Epochs have numbers that run on from round to round, `task.epochs` per round. Those of a round that an earlier
    attempt ended are reported again, as those before a checkpoint are.
    """
    done: list[TrialResult] = []
    for index in range(len(task.rounds)):
        folder = TrialFolder(task.folder).round(index + 1)
        if noted := folder.noted_result():
            result, earlier = noted
            for event in earlier:
                emit(event)
        else:
            told: list[EpochEnded] = []
            result = run_once(_round_task(task, index, folder), _shifted(emit, task, index, told), stop_requested)
            if result.outcome != "complete":
                return _ended_early(task, [*done, result])
            _note_round(folder, result, told, emit)
        done.append(result)
        assert result.value is not None
        emit(RoundEnded(task.number, index + 1, result.value))
        request = stop_requested()
        if request is not None and index + 1 < len(task.rounds):
            return _ended_early(task, [*done, TrialResult(task.number, request.outcome, request.reason)])
    return _averaged(task, done)


def _note_round(folder: TrialFolder, result: TrialResult, told: list[EpochEnded], emit: Emit) -> None:
    """Notes a round, and waits while the disk is full; one that cannot be noted is trained again after a loss."""
    try:
        with_space(
            lambda: folder.note_result(result, told),
            folder.path,
            lambda reason: emit(TrialDelayed(result.number, reason)),
        )
    except OSError as error:
        logger.warning("trial %d: a round that ended cannot be noted: %s", result.number, error)
        return
    folder.forget_checkpoint()


def _round_task(task: TrialTask, index: int, folder: TrialFolder) -> TrialTask:
    return replace(
        task,
        view=task.rounds[index],
        rounds=(),
        seed=random.Random(f"{task.seed}/{index}").randrange(2**31),
        folder=folder.path,
        keep_model=task.keep_model and index == 0,
        measure_latency=task.measure_latency and index == 0,
        limits=task.limits if index == 0 else {},
    )


def _shifted(emit: Emit, task: TrialTask, index: int, told: list[EpochEnded]) -> Emit:
    """An `emit` that numbers epochs on from the earlier rounds, and adds them to `told`."""

    def emit_shifted(event: TrialEvent) -> None:
        if isinstance(event, EpochEnded):
            metrics = {**event.metrics, "round": float(index + 1)}
            told.append(replace(event, epoch=index * task.epochs + event.epoch, metrics=metrics))
            emit(told[-1])
        elif not isinstance(event, TrialStarted) or index == 0:
            emit(event)

    return emit_shifted


def _averaged(task: TrialTask, done: list[TrialResult]) -> TrialResult:
    """The result of all rounds: means of value and metrics, totals of seconds and epochs."""
    values = [result.value for result in done if result.value is not None]
    names = set.intersection(*(set(result.metrics) for result in done))
    metrics = {name: statistics.fmean(result.metrics[name] for result in done) for name in sorted(names)}
    metrics["objective_spread"] = statistics.stdev(values)
    TrialFolder(task.folder).show_round(1)
    return replace(
        done[0],
        value=statistics.fmean(values),
        metrics=metrics,
        epochs=sum(result.epochs for result in done),
        best_epoch=round(statistics.fmean(result.best_epoch for result in done)),
        seconds=sum(result.seconds for result in done),
        peak_memory_mb=max(result.peak_memory_mb for result in done),
    )


def _ended_early(task: TrialTask, rounds: list[TrialResult]) -> TrialResult:
    """The result of a trial that ends with its last round; its value is the mean over whole rounds, if any."""
    whole = [result for result in rounds if result.outcome == "complete"]
    values = [result.value for result in whole or rounds if result.value is not None]
    if rounds[-1].outcome != "interrupted":
        TrialFolder(task.folder).show_round(1)
    return replace(
        rounds[-1],
        value=statistics.fmean(values) if values else None,
        metrics=rounds[0].metrics,
        epochs=sum(result.epochs for result in rounds),
        parameters=rounds[0].parameters,
        seconds=sum(result.seconds for result in rounds),
        has_model=rounds[0].has_model,
        cost=rounds[0].cost,
    )
