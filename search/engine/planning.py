"""The plan of a search, made from its settings: how many trials, until when, and the task of each."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...datasets.adapters.registry import all_adapters
from ...datasets.base import ImageDataset, TrainingView
from ...datasets.splits.folding import fold_views
from ...spaces.beliefs import beliefs_about
from ...spaces.foreign.sent import payload
from ...spaces.registry import published_scores
from ...spaces.search_space.parameters import SearchSpace, Values
from ...spaces.search_space.prior import Prior, believe
from ...spaces.search_space.shrinking import Ratios
from ..evaluation.costs import COST_NAMES
from ..evaluation.direction import Direction
from ..evaluation.metrics import default_objective, task_objective
from ..messages import SpaceReference, TrialTask
from ..results import read_study
from ..settings import Home, SearchSettings, most_models
from ..strategies.pruners import make_pruner
from ..strategies.samplers import make_sampler
from ..studies.definition import Launch
from ..studies.objectives import Objective, check_computable, check_target_value, resolve_objectives
from ..studies.storage.storage import check_storage
from ..studies.study import Asked, Study
from ..studies.trial_records import TrialRecord
from ..tracking.model_keeping import room_needed
from ..tracking.provenance import logged_dataset
from ..tracking.records import DatasetLogged
from ..tracking.tracking_address import check_tracking
from ..trial_folder import TrialFolder
from .beginning import best_of


@dataclass(frozen=True)
class Plan:
    """The work of one search's supervisor."""

    target: int
    """Trials that the study is to have in the end."""

    make_task: Callable[[Asked], TrialTask]
    """Makes the task of a trial."""

    folder: Callable[[int], TrialFolder]
    """Gives the folder of a trial, by its number."""

    dataset: DatasetLogged
    """The data set, as MLflow shows it."""

    deadline: float = math.inf
    """End of the time, in `time.monotonic` seconds: no trial starts after it, and running ones end."""

    trial_seconds: float = math.inf
    """Longest time for one trial, in seconds."""

    hang_seconds: float = 1800.0
    """Longest silence of one trial, in seconds."""

    epochs: float = math.inf
    """Epochs that all trials of the study together may take."""

    target_value: float | None = None
    """The search ends once the objective of a trial reaches this."""

    answers: Path | None = None
    """The folder to keep the best trials' answers to the validation images in; None keeps none."""

    describe_models: Callable[[int], str] = lambda parameters: ""
    """Gives a line, or none, on the disk space of all models, from the parameters of the first network."""


@dataclass(frozen=True)
class Preparation:
    """Everything about a search that is known before a worker starts."""

    view: TrainingView
    objectives: tuple[Objective, ...]
    rounds: tuple[TrainingView, ...]
    """The folds and repeats of every trial, as `round_views` gives them."""

    begin_with: tuple[TrialRecord, ...]
    """Trials of another study to begin with, best first."""


def prepare(dataset: ImageDataset, settings: SearchSettings, home: Home) -> Preparation:
    """Makes everything that needs no worker, so that a search that is refused leaves no study.

    Raises:
        SettingError: The settings do not fit each other or the data set.
        StudyError: The study to begin with is not there.
        DatasetError: There are too few images for the folds.
    """
    check_strategies(settings)
    check_storage(home)
    check_tracking(home)
    objectives = _objectives(dataset, settings)
    check_target_value(settings.target_value, objectives[0], dataset.task)
    view, source = dataset.training_view(), settings.from_study
    for objective in objectives:
        if objective.name not in COST_NAMES:
            check_computable(objective, dataset.task, view.labels("validation"), view.spec().outputs)
    return Preparation(
        view=view,
        objectives=objectives,
        rounds=round_views(view, settings.folds, settings.repeats),
        begin_with=() if source is None else best_of(read_study(home, source)),
    )


def _objectives(dataset: ImageDataset, settings: SearchSettings) -> tuple[Objective, ...]:
    entry = all_adapters().get(dataset.adapter)
    default = default_objective(dataset.task, entry.objective if entry else None)
    return resolve_objectives(settings.objectives or (default,), dataset.task)


def space_reference(settings: SearchSettings) -> SpaceReference:
    """Returns how a worker finds the space."""
    added = settings.additions
    return SpaceReference(
        settings.space,
        settings.recipe,
        settings.space_options,
        pickled=payload(settings.space),
        additions=added,
        pickled_additions=payload(added) if added else b"",
    )


def make_task(
    settings: SearchSettings,
    view: TrainingView,
    search_space: SearchSpace,
    objective: str,
    direction: Direction | None,
    *,
    number: int,
    values: Values,
    seed: int,
    folder: TrialFolder,
) -> TrialTask:
    """Makes the task of one training: of a search, a promotion or a rerun.

    Args:
        settings: Those of the search, or what MLflow recorded of them.
        view: The data to train and to validate on.
        search_space: The space that the values are of.
        objective: Name of the metric to follow.
        direction: Its direction, which must be known for a metric that the user's own model computes.
        number: The trial's number.
        values: The configuration, by parameter name.
        seed: Seed of initial weights, dropout, augmentation and order.
        folder: Where the trial leaves what it leaves.
    """
    return TrialTask(
        number=number,
        view=view,
        space=space_reference(settings),
        search_space=search_space,
        values=values,
        seed=seed,
        epochs=settings.epochs,
        patience=settings.patience,
        objective=objective,
        direction=direction,
        folder=folder.path,
        mixed_precision=settings.mixed_precision,
    )


def check_strategies(settings: SearchSettings) -> None:
    """Checks sampler and pruner with their options.

    Raises:
        SettingError: One of them cannot be made of these settings.
    """
    make_sampler(settings.sampler, settings.seed, settings.sampler_options)
    make_pruner(settings.pruning, settings.epochs, settings.pruner_options)


def make_prior(search_space: SearchSpace, settings: SearchSettings) -> Prior:
    """Returns what space and user believe beforehand.

    Raises:
        UnknownNameError: The user believes something of a parameter that is not there.
        SpaceError: The parameter cannot take such a value.
    """
    beliefs = beliefs_about(settings.space, settings.epochs)
    return Prior(search_space, believe(search_space, beliefs, settings.believe), settings.prior)  # type: ignore[arg-type]  # one of the strengths: checked


def _strategies(
    settings: SearchSettings, seed: int | None, study: Study, measured: Sequence[tuple[Values, Ratios]]
) -> tuple[Any, Any]:
    definition = study.definition
    best = task_objective(definition.objective, definition.task, definition.direction).best
    perfect = best if math.isfinite(best) else None
    return (
        make_sampler(
            settings.sampler, seed, settings.sampler_options, make_prior(study.search_space, settings), measured
        ),
        make_pruner(
            settings.pruning,
            settings.epochs,
            settings.pruner_options,
            perfect=perfect,
        ),
    )


def make_plan(
    dataset: ImageDataset,
    ready: Preparation,
    settings: SearchSettings,
    home: Home,
    study: Study,
    began: float,
    measured: Sequence[tuple[Values, Ratios]] = (),
) -> Plan:
    """Makes the plan, and notes in the study what this search is to bring.

    Args:
        dataset: The data set.
        ready: Everything that was known before a worker started.
        settings: How to search.
        home: Where the study is.
        study: The study, owned by this process.
        began: When the search began, in `time.monotonic` seconds.
        measured: Configurations with their costs divided by the limits on them, from which the sampler tells which
            others are too costly.
    """
    finished = study.finished()
    launch = _launch(study, settings, finished)
    study.note_launch(launch)
    seed = None if settings.seed is None else settings.seed + finished
    study.use(*_strategies(settings, seed, study, measured))
    # A cost that is an objective must be known, however large it may be.
    costs = [name for name, _ in study.definition.objectives if name in COST_NAMES]
    limits = {**dict.fromkeys(costs, math.inf), **study.definition.limits}

    def folder(number: int) -> TrialFolder:
        return TrialFolder(home.study_folder(study.name) / "trials" / f"{number:05d}")

    reference = published_scores(dataset)

    def task_of(asked: Asked) -> TrialTask:
        task = make_task(
            settings,
            ready.view,
            study.search_space,
            study.definition.objective,
            study.definition.direction,
            number=asked.number,
            values=asked.values,
            seed=_trial_seed(study.identity if settings.seed is None else settings.seed, asked.number),
            folder=folder(asked.number),
        )
        return replace(
            task,
            attempt=asked.attempt,
            reference=reference,
            keep_model=settings.keep_models != "none",
            limits=limits,
            measure_latency="latency_ms" in limits,
            rounds=ready.rounds,
        )

    return Plan(
        target=launch.target,
        make_task=task_of,
        folder=folder,
        dataset=logged_dataset(dataset),
        deadline=began + settings.hours * 3600 if settings.hours else float("inf"),
        trial_seconds=settings.trial_hours * 3600 if settings.trial_hours else float("inf"),
        hang_seconds=settings.hang_seconds,
        epochs=launch.epochs or float("inf"),
        target_value=settings.target_value,
        answers=home.answers_folder(study.name),
        describe_models=lambda parameters: _room_for_models(parameters, settings, home, launch.target - finished),
    )


def _room_for_models(parameters: int, settings: SearchSettings, home: Home, trials: int) -> str:
    """Returns a line on the disk space of all models; empty when there are none, or a server keeps them."""
    most = most_models(settings.keep_models)
    models = trials if most is None else min(most, trials)
    return room_needed(parameters, models, home.artifacts) if models and home.artifacts else ""


def _launch(study: Study, settings: SearchSettings, finished: int) -> Launch:
    """Returns the launch to note: an interrupted search is brought to its end, a new one adds what it asks for."""
    last, trained = study.launch(), study.epochs_trained()
    wanted = (settings.trials, settings.total_epochs)
    if last is not None and not last.ended and (last.trials, last.total_epochs) == wanted:
        return last
    epochs = None if settings.total_epochs is None else trained + settings.total_epochs
    return Launch(settings.trials, finished + settings.trials, settings.total_epochs, epochs)


def round_views(view: TrainingView, folds: int | None, repeats: int) -> tuple[TrainingView, ...]:
    """Returns the folds and repeats of every trial, the same whatever the seed; none for a single training."""
    if folds is None:
        return (view,) * repeats if repeats > 1 else ()
    return tuple(fold for repeat in range(repeats) for fold in fold_views(view, folds, seed=repeat))


def _trial_seed(seed: int | str, number: int) -> int:
    return random.Random(f"{seed}/{number}").randrange(2**31)
