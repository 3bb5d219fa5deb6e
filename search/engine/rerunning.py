"""Repeats a trial from what MLflow recorded of it, and compares: can this number be made again?"""

from __future__ import annotations

import math
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...datasets.base import ImageDataset, TrainingView
from ...errors import ApertuneError, StudyError
from ...spaces.search_space.parameters import SearchSpace, Value, Values
from ..evaluation.metrics import resolve_objective
from ..executors import devices
from ..executors.base import Executor
from ..executors.choosing import check_places, local_environments, make_executor
from ..executors.local.executor import LocalExecutor
from ..messages import DiscoveryTask, EpochEnded, StopRequest, TrialLost, TrialResult, TrialTask
from ..settings import Home, PlaceSettings
from ..tracking.mlflow_store import RunFacts, read_run
from ..tracking.provenance import installed_packages, recorded_settings, recorded_space
from ..tracking.records import PARENT_TAG
from .planning import round_views

LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Rerun:
    """A trial trained again. recorded, again: the objective and, of a complete trial, its metrics, by name.

    packages: those whose versions differ, a line each.
    """

    run_id: str
    state: str
    recorded: dict[str, float]
    again: dict[str, float]
    packages: tuple[str, ...]

    @property
    def largest_difference(self) -> float:
        """Over all numbers that both have; NaN without any."""
        common = [abs(self.recorded[name] - self.again[name]) for name in self.recorded if name in self.again]
        return max(common, default=math.nan)


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
        dataset: the data that the trial was trained on.
        run_id: the trial's run in MLflow.
        home: where studies and results are.
        say: takes a line per epoch for a person.
        executor: trains the trial, and is closed at the end; made from `places` unless given.
        places: where the trial is trained; a GPU of this machine where there is one, else as many threads as a worker
            of the search had, unless given.

    Raises:
        StudyError: the run is no trial, is not known, or was made with other data.
    """
    run = read_run(run_id, home.tracking_uri)
    if run.tags.get("kind") != "trial":
        raise StudyError(f"run {run_id} is no trial of a search; apertune compare shows the runs of trials")
    if run.tags.get("fingerprint") != dataset.fingerprint:
        raise StudyError(
            f"run {run_id} was trained on other data (fingerprint {run.tags.get('fingerprint', '')[:12]}, but "
            f"{dataset.fingerprint[:12]} here); give the data flags of its command: {run.tags.get('command', '')}"
        )
    search = read_run(run.tags[PARENT_TAG], home.tracking_uri).params
    executor = executor or _one_worker(places or PlaceSettings(), search, home.root / "logs" / uuid.uuid4().hex[:8])
    folder = home.root / "reruns" / run_id
    try:
        executor.start()
        task = _task(run, search, dataset.training_view(), executor, folder)
        result, values = _train(task, executor, run, say)
    finally:
        executor.close()
        shutil.rmtree(folder, ignore_errors=True)
    return _compared(run_id, run, result, values, task)


def _one_worker(places: PlaceSettings, search: Mapping[str, str], logs: Path) -> Executor:
    """Makes an executor of one worker; on processors with as many threads as one of so many workers has."""
    if places.cluster is not None:
        return make_executor(places, logs)
    if places == PlaceSettings(hang_minutes=places.hang_minutes) and not devices.gpus():
        places = replace(places, workers=int(search["workers"]) if "workers" in search else None)
    else:
        check_places(places)
    return LocalExecutor(local_environments(places)[:1], logs)


def _task(run: RunFacts, search: Mapping[str, str], view: TrainingView, executor: Executor, folder: Path) -> TrialTask:
    reference, settings = recorded_space(run.tags["space"], search), recorded_settings(search)
    space = SearchSpace.from_json(executor.discover(DiscoveryTask(view, reference)))
    return TrialTask(
        number=0,
        view=view,
        space=reference,
        search_space=space,
        values=recorded_values(space, run.params),
        seed=int(run.tags["seed"]),
        epochs=int(run.tags["max_epochs"]),
        patience=settings.patience,
        objective=run.tags["objective"].split(", ")[0],
        folder=folder,
        mixed_precision=settings.mixed_precision,
        keep_model=False,
        rounds=round_views(view, settings.folds, settings.repeats),
    )


def recorded_values(space: SearchSpace, params: Mapping[str, str]) -> Values:
    """The values of a run's params, which MLflow keeps as text. Raises StudyError for a value off the space."""
    values: Values = {}
    for parameter in space.active(values):
        if parameter.name not in params:
            raise StudyError(f"the run has no param {parameter.name}; the space has changed since")
        value = _typed(params[parameter.name], parameter.default, parameter.options)
        if not parameter.contains(value):
            raise StudyError(f"{parameter.key} cannot be {value!r} any more; the space has changed since")
        values[parameter.name] = value
    return values


def _typed(text: str, default: Value, options: tuple[Value, ...] | None) -> Value:
    for option in options or ():
        if str(option) == text:
            return option
    try:
        return text if isinstance(default, str | bool) else type(default)(text)
    except ValueError:
        return text


def _train(
    task: TrialTask, executor: Executor, run: RunFacts, say: Callable[[str], None]
) -> tuple[TrialResult, list[float]]:
    """The result, and the objective after each epoch."""
    shutil.rmtree(task.folder, ignore_errors=True)
    last = int(run.metrics.get("epochs", 0)) if run.tags.get("state") == "pruned" else math.inf
    values: list[float] = []
    executor.submit(task)
    while True:
        for event in executor.wait(LOOK_EVERY_S):
            if isinstance(event, EpochEnded):
                values.append(event.metrics.get(f"val_{task.objective}", math.nan))
                say(f"epoch {event.epoch}: {task.objective} {values[-1]:.4f}")
                if len(values) >= last:
                    executor.stop(StopRequest(0, "pruned", "as it was recorded", now=False))
            elif isinstance(event, TrialLost):
                raise ApertuneError(f"the worker was lost: {event.reason}")
            elif isinstance(event, TrialResult):
                return event, values[: int(min(last, len(values)))]


def _compared(run_id: str, run: RunFacts, result: TrialResult, values: list[float], task: TrialTask) -> Rerun:
    recorded, again = {}, {}
    if "objective" in run.metrics:
        recorded["objective"] = run.metrics["objective"]
    if result.outcome == "complete" and result.value is not None:
        again["objective"] = result.value
        for name, value in result.metrics.items():
            if f"best_{name}" in run.metrics:
                recorded[name], again[name] = run.metrics[f"best_{name}"], value
    elif task.rounds and result.value is not None:
        again["objective"] = result.value
    elif values:
        better = max if resolve_objective(task.objective, task.view.task).direction == "maximize" else min
        again["objective"] = better(values)
    there, here = run.tags.get("packages", "").split(", "), installed_packages()
    packages = tuple(f"{then} there, {now} here" for then, now in zip(there, here, strict=False) if then != now)
    return Rerun(run_id, result.outcome, recorded, again, packages)
