"""Reruns: a trial is trained again from what MLflow recorded, and its numbers are compared."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ...datasets.base import ImageDataset, TrainingView
from ...errors import StudyError
from ...files.private import private_files
from ...spaces.foreign.sent import look_in
from ...spaces.search_space.parameters import SearchSpace, Value, Values
from ..evaluation.direction import Direction
from ..evaluation.metrics import task_objective
from ..executors import devices
from ..executors.base import Executor
from ..executors.choosing import make_executor
from ..executors.places import PlaceSettings
from ..messages import DiscoveryTask, EpochEnded, StopRequest, TrialResult, TrialTask
from ..settings import Home
from ..studies.objectives import resolve_objectives
from ..tracking.mlflow_client import LONGEST_PARAM
from ..tracking.mlflow_names import mlflow_name
from ..tracking.mlflow_store import RunFacts, read_run
from ..tracking.provenance import installed_packages, recorded_settings
from ..tracking.records import (
    BEST_PREFIX,
    COMMAND_TAG,
    EPOCHS_METRIC,
    FINGERPRINT_TAG,
    KIND_TAG,
    MAX_EPOCHS_TAG,
    OBJECTIVE_METRIC,
    OBJECTIVE_TAG,
    PACKAGES_TAG,
    PARENT_TAG,
    SEED_TAG,
    SPACE_TAG,
    STATE_TAG,
    TRIAL_KIND,
)
from ..trial_folder import TrialFolder
from .planning import make_task, round_views, space_reference
from .trial_loop import ListedTrainings, TimeLimits, TrialLoop


@dataclass(frozen=True)
class Rerun:
    """A trial trained again."""

    run_id: str
    state: str
    """State in which it ended this time."""

    recorded: dict[str, float]
    """The objective and, of a complete trial, its metrics, by name, as MLflow has them."""

    again: dict[str, float]
    """The same, as they came out this time."""

    packages: tuple[str, ...]
    """Packages whose versions differ, a line each."""

    @property
    def largest_difference(self) -> float:
        """The largest difference of all numbers that both have; NaN without any."""
        common = [abs(self.recorded[name] - self.again[name]) for name in self.recorded if name in self.again]
        return max(common, default=math.nan)


@private_files()
def rerun(
    dataset: ImageDataset,
    run_id: str,
    *,
    home: Home,
    say: Callable[[str], None] = lambda line: None,
    executor: Executor | None = None,
    places: PlaceSettings | None = None,
) -> Rerun:
    """Trains the trial of an MLflow run again: same data, values, seed and budget. Nothing is logged.

    A pruned trial is stopped after the same epoch. On CPUs the numbers come out the same when packages and the number
    of workers, which decides on threads, are the same; on GPUs nearly so.

    Args:
        dataset: The data that the trial was trained on.
        run_id: The trial's run in MLflow.
        home: Where studies and results are.
        say: Takes a line per epoch for a person.
        executor: Trains the trial, and is closed at the end; made from `places` unless given.
        places: Where the trial is trained, by one worker. Unless given: on a GPU of this machine if there is one,
            else with as many threads as a worker of the search had.

    Raises:
        StudyError: The run is no trial, is not known, or was made with other data.
    """
    run = read_run(run_id, home.tracking_uri)
    if run.tags.get(KIND_TAG) != TRIAL_KIND:
        raise StudyError(f"run {run_id} is no trial of a search; apertune compare shows the runs of trials")
    if run.tags.get(FINGERPRINT_TAG) != dataset.fingerprint:
        raise StudyError(
            f"run {run_id} was trained on other data (fingerprint {run.tags.get(FINGERPRINT_TAG, '')[:12]}, but "
            f"{dataset.fingerprint[:12]} here); give the data flags of its command: {run.tags.get(COMMAND_TAG, '')}"
        )
    search = read_run(run.tags[PARENT_TAG], home.tracking_uri).params
    look_in(home.spaces)
    places = places or _places_of(search)
    executor = executor or make_executor(places, home.root / "logs" / uuid.uuid4().hex[:8], only=1)
    folder = TrialFolder(home.root / "reruns" / run_id)
    folder.remove()
    try:
        executor.start()
        task = _task(run, search, dataset.training_view(), executor, folder)
        result, values = _train(task, executor, run, places, say)
    finally:
        executor.close()
        folder.remove()
    return _compared(run_id, run, result, values, task)


def _places_of(search: Mapping[str, str]) -> PlaceSettings:
    """Returns a place with a GPU where there is one, else with as many threads as a worker of the search had."""
    on_processors = "workers" in search and not devices.gpus()
    return PlaceSettings(workers=int(search["workers"]) if on_processors else None)


def _task(
    run: RunFacts, search: Mapping[str, str], view: TrainingView, executor: Executor, folder: TrialFolder
) -> TrialTask:
    settings = recorded_settings(run.tags[SPACE_TAG], int(run.tags[MAX_EPOCHS_TAG]), search)
    space = executor.discover(DiscoveryTask(view, space_reference(settings))).search_space
    objective = run.tags[OBJECTIVE_TAG].split(", ")[0]
    task = make_task(
        settings,
        view,
        space,
        objective,
        _recorded_direction(objective, search, view),
        number=0,
        values=recorded_values(space, run.params),
        seed=int(run.tags[SEED_TAG]),
        folder=folder,
    )
    return replace(task, keep_model=False, rounds=round_views(view, settings.folds, settings.repeats))


def _recorded_direction(objective: str, search: Mapping[str, str], view: TrainingView) -> Direction | None:
    """Returns the direction that the search was given for an objective which its own model computes, else None."""
    given = json.loads(search.get("objectives", "null"))
    known = resolve_objectives(given, view.task) if given else ()
    return next((one.direction for one in known if one.name == objective), None)


def recorded_values(space: SearchSpace, params: Mapping[str, str]) -> Values:
    """Returns the values of a run's params, which MLflow keeps as text.

    Raises:
        StudyError: A value is missing, or is no value of the space any more.
    """
    values: Values = {}
    for parameter in space.active(values):
        name = mlflow_name(parameter.name)
        if name not in params:
            raise StudyError(f"the run has no param {name}; the space has changed since")
        value = _typed(params[name], parameter.default, parameter.options)
        if not parameter.contains(value):
            raise StudyError(f"{parameter.key} cannot be {value!r} any more; the space has changed since")
        values[parameter.name] = value
    return values


def _typed(text: str, default: Value, options: tuple[Value, ...] | None) -> Value:
    for option in options or ():
        if str(option)[:LONGEST_PARAM] == text:
            return option
    try:
        return text if isinstance(default, str | bool) else type(default)(text)
    except ValueError:
        return text


def _train(
    task: TrialTask, executor: Executor, run: RunFacts, places: PlaceSettings, say: Callable[[str], None]
) -> tuple[TrialResult, list[float]]:
    """Returns the result, and the objective after each epoch."""
    last = int(run.metrics.get(EPOCHS_METRIC, 0)) if run.tags.get(STATE_TAG) == "pruned" else math.inf
    values: list[float] = []

    def on_epoch(event: EpochEnded) -> StopRequest | None:
        values.append(event.metrics.get(f"val_{task.objective}", math.nan))
        say(f"epoch {event.epoch}: {task.objective} {values[-1]:.4f}")
        if len(values) < last:
            return None
        return StopRequest(task.number, "pruned", "as it was recorded", now=False)

    trainings = ListedTrainings([task], say, on_epoch=on_epoch)
    TrialLoop(executor, trainings, TimeLimits(places.hang_seconds)).run()
    return trainings.results[task.number], values


def _compared(run_id: str, run: RunFacts, result: TrialResult, values: list[float], task: TrialTask) -> Rerun:
    recorded, again = {}, {}
    if OBJECTIVE_METRIC in run.metrics:
        recorded["objective"] = run.metrics[OBJECTIVE_METRIC]
    if result.outcome == "complete" and result.value is not None:
        again["objective"] = result.value
        for name, value in result.metrics.items():
            if f"{BEST_PREFIX}{name}" in run.metrics:
                recorded[name], again[name] = run.metrics[f"{BEST_PREFIX}{name}"], value
    elif task.rounds and result.value is not None:
        again["objective"] = result.value
    elif values:
        direction = task_objective(task.objective, task.view.task, task.direction).direction
        again["objective"] = min(values, key=direction.loss)
    there, here = run.tags.get(PACKAGES_TAG, "").split(", "), installed_packages()
    packages = tuple(f"{then} there, {now} here" for then, now in zip(there, here, strict=False) if then != now)
    return Rerun(run_id, result.outcome, recorded, again, packages)
