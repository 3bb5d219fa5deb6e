"""One trial: a pure function of data, space, values, seed and budget. It knows neither Optuna nor MLflow's server.

Imported in workers only, since it imports Keras.
"""

from __future__ import annotations

import gc
import logging
import time
from dataclasses import replace

import keras
import keras_tuner

from ... import spaces
from ...spaces.search_space.discovery import check_asked
from ...text import named_line
from ..executors import devices
from ..executors.retries import rule_of_error
from ..messages import Emit, EpochEnded, StopRequested, TrialEvent, TrialResult, TrialTask
from ..models.averaged_views import answering_network
from .additions import receive_sent, with_additions
from .custom_gradients import forgotten_gradients
from .fitting import Fitting
from .gpu_usage import watched_gpu
from .network_cost import broken_limits, measure_cost
from .rounds import run_rounds

logger = logging.getLogger(__name__)


def run_trial(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
    """Trains one configuration; an exception that the configuration itself raises is an outcome, too.

    Args:
        task: The configuration and everything that its result depends on.
        emit: Hears of the start, of every epoch and of every round.
        stop_requested: Asked between batches.
    """
    with watched_gpu() as usage:
        emit = usage.telling(emit)
        if task.rounds:
            result = run_rounds(task, emit, stop_requested, _run_once)
        else:
            result = _run_once(task, emit, stop_requested)
    return usage.noted(result)


def _run_once(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
    started = time.monotonic()
    devices.reset_peak_memory()
    epochs = 0

    def emit_counted(event: TrialEvent) -> None:
        nonlocal epochs
        if isinstance(event, EpochEnded):
            epochs = event.epoch
        emit(event)

    try:
        with forgotten_gradients():
            result = _train(task, emit_counted, stop_requested)
    except Exception as error:
        logger.exception("trial %d failed", task.number)
        result = TrialResult(
            task.number,
            rule_of_error(error).outcome,
            named_line(error, most=500),
            epochs=epochs,
            ends_search=isinstance(error, keras_tuner.errors.FatalError),
        )
    finally:
        keras.utils.clear_session(free_memory=False)
        gc.collect()
        devices.return_free_memory()
    return replace(result, seconds=time.monotonic() - started, peak_memory_mb=devices.peak_memory_mb())


def _train(task: TrialTask, emit: Emit, stop_requested: StopRequested) -> TrialResult:
    keras.utils.set_random_seed(task.seed)
    keras.config.set_dtype_policy("mixed_bfloat16" if task.mixed_precision else "float32")
    receive_sent(task.space)
    space = spaces.load(task.space.name, task.view.spec(), recipe=task.space.recipe, options=task.space.options)
    hp = spaces.hyperparameters(task.search_space, task.values)
    candidate = with_additions(space.candidate(hp, epochs=task.epochs, seed=task.seed), task.space)
    asks_freely = ":" in task.space.name and task.space.recipe is None
    if asks_freely:
        check_asked(hp, task.values, task.search_space)
    cost = measure_cost(answering_network(candidate), task.view.image_shape, latency=task.measure_latency)
    if broken := broken_limits(cost, task.limits):
        return TrialResult(task.number, "infeasible", broken, cost=cost, over_limit=True)
    task.folder.mkdir(parents=True, exist_ok=True)
    fitting = Fitting(task, candidate, emit, stop_requested)
    stop = fitting.run()
    if stop.outcome == "interrupted":
        return TrialResult(task.number, "interrupted", stop.reason, epochs=fitting.state.epoch)
    if asks_freely:
        # A `fit` of the user's own may have asked, too.
        check_asked(hp, task.values, task.search_space)
    return replace(fitting.finish(stop), cost=cost)
