"""Measures where the time between two trials goes in one warm worker process: everything but training itself.

    uv run python benchmarks/trial_start.py [--trials 6]

Trains small networks on digits for one epoch each with `run_trial`, times the parts, and prints medians over all trials
but the first two, in milliseconds. The first step in `fit` is mostly TensorFlow's tracing. Then a search with one
worker trains as many trials. Prints the time from a trial's last epoch to the next trial's training, through worker,
supervisor, study and outbox, without the first step.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import optuna
from measurements import Column, Table, arguments_of, tell

from apertune import datasets, search, spaces
from apertune.search.executors import devices, environments
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.messages import EpochEnded, SpaceReference, TrialEvent, TrialStarted, TrialTask
from apertune.search.strategies.translation import suggest
from apertune.search.training import custom_gradients, fitting, trainers, trial, worker

SMALL = {"blocks": "1", "filters": "16", "convolutions": "1", "batch_size": "128", "augmentation": "none"}
WARM_TRIALS = 2


class Times:
    """Milliseconds per part, one number per trial."""

    def __init__(self) -> None:
        self.all: list[dict[str, float]] = []

    def watch(self, owner: Any, attribute: str, part: str) -> None:
        """Replaces a function by one that also adds its duration to the current trial."""
        function: Callable[..., Any] = getattr(owner, attribute)

        def timed(*given: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*given, **named)
            finally:
                self.all[-1][part] += 1000 * (time.perf_counter() - began)

        setattr(owner, attribute, timed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=6)
    arguments = arguments_of(parser)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    worker.set_aside_imports()
    times = Times()
    times.watch(fitting, "make_trainer", "reading pixels")
    times.watch(trial, "measure_cost", "cost")
    times.watch(trial.spaces, "hyperparameters", "values")
    times.watch(trainers.TableTrainer, "fit", "fit, with its first step and validation")
    times.watch(trainers.TableTrainer, "predict", "of which predictions, and one after fit")
    times.watch(fitting.Fitting, "_save_evaluation", "plots and predictions")
    times.watch(fitting.Fitting, "_save_model", "model")
    times.watch(keras.utils, "clear_session", "clear_session")
    times.watch(gc, "collect", "gc.collect")
    times.watch(devices, "return_free_memory", "malloc_trim")
    times.watch(custom_gradients, "_registered", "gradient registry")
    view = datasets.load("digits").training_view()
    searched = spaces.narrow(spaces.discover(spaces.load("convnet", view.spec())), SMALL)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.trials):
            values, place = suggest(study.ask(), searched), Path(folder) / str(number)
            task = TrialTask(number, view, SpaceReference("convnet"), searched, values, 0, 1, None, "accuracy", place)
            times.all.append(defaultdict(float))
            began = time.perf_counter()
            trial.run_trial(task, lambda _: None, lambda: None)
            times.all[-1]["the whole trial"] = 1000 * (time.perf_counter() - began)
    table = Table("trial-start", Column("part", ""), Column("now", "median", "{:.0f} ms"))
    for part in times.all[-1]:
        table.add(part=part, now=statistics.median(found[part] for found in times.all[WARM_TRIALS:]))
    moments = through_a_search(arguments.trials)
    gaps = [1000 * (start - end) for end, start in zip(moments["ended"], moments["started"][1:], strict=False)]
    table.add(
        part="from a trial's last epoch to the next one's training, through a whole search",
        now=statistics.median(gaps[WARM_TRIALS - 1 :]),
    )
    tell(table)


def through_a_search(trials: int) -> dict[str, list[float]]:
    """Returns the moments at which the supervisor heard of the start and the last epoch of each trial."""
    moments: dict[str, list[float]] = {"started": [], "ended": []}

    class Heard(LocalExecutor):
        def wait(self, timeout_s: float) -> list[TrialEvent]:
            events = super().wait(timeout_s)
            for event in events:
                if isinstance(event, TrialStarted | EpochEnded):
                    kind = "started" if isinstance(event, TrialStarted) else "ended"
                    moments[kind].append(time.perf_counter())
            return events

    with tempfile.TemporaryDirectory() as folder:
        home = search.make_home(os.environ, root=Path(folder) / "mlflow")
        settings = search.SearchSettings(trials=trials, epochs=1, workers=1, sampler="random", fix=SMALL)
        executor = Heard(environments.local_environments(settings), Path(folder))
        search.run(datasets.load("digits"), settings, home=home, executor=executor)
    return moments


if __name__ == "__main__":
    main()
