"""From settings to what the supervisor is to do: how many trials, until when, and each one's task."""

from __future__ import annotations

import random
from pathlib import Path

from ..datasets.base import ImageDataset, TrainingView
from .messages import SpaceReference, TrialTask
from .model_keeping import room_needed
from .provenance import logged_dataset
from .settings import Home, SearchSettings, most_models
from .strategies import make_pruner, make_sampler
from .study import Asked, Launch, Study
from .supervisor import Plan


def space_reference(settings: SearchSettings) -> SpaceReference:
    return SpaceReference(settings.space, settings.recipe, settings.space_options)


def make_plan(
    dataset: ImageDataset, view: TrainingView, settings: SearchSettings, home: Home, study: Study, began: float
) -> Plan:
    """Notes in the study what this search is to bring. began: when it did, `time.monotonic` seconds."""
    finished = study.finished()
    target = _target(study, settings, finished)
    study.note_launch(Launch(settings.trials, target))
    seed = None if settings.seed is None else settings.seed + finished
    study.use(make_sampler(settings.sampler, seed), make_pruner(settings.pruner, settings.epochs))

    def folder(number: int) -> Path:
        return home.study_folder(study.name) / "trials" / f"{number:05d}"

    def make_task(asked: Asked) -> TrialTask:
        return TrialTask(
            number=asked.number,
            view=view,
            space=space_reference(settings),
            search_space=study.search_space,
            values=asked.values,
            seed=_trial_seed(settings.seed, asked.number),
            epochs=settings.epochs,
            patience=settings.patience,
            objective=study.definition.objective,
            folder=folder(asked.number),
            attempt=asked.attempt,
            mixed_precision=settings.mixed_precision,
            keep_model=settings.keep_models != "none",
        )

    return Plan(
        target=target,
        make_task=make_task,
        folder=folder,
        dataset=logged_dataset(dataset),
        deadline=began + settings.hours * 3600 if settings.hours else float("inf"),
        trial_seconds=settings.trial_hours * 3600 if settings.trial_hours else float("inf"),
        hang_seconds=settings.hang_minutes * 60,
        describe_models=lambda parameters: _room_for_models(parameters, settings, home, target - finished),
    )


def _room_for_models(parameters: int, settings: SearchSettings, home: Home, trials: int) -> str:
    """What to say of the disk space that the search's models take; empty when there are none, or a server has them."""
    most = most_models(settings.keep_models)
    models = trials if most is None else min(most, trials)
    return room_needed(parameters, models, home.artifacts) if models and home.artifacts else ""


def _target(study: Study, settings: SearchSettings, finished: int) -> int:
    """An interrupted search is brought to its own end; a new one adds as many trials as it asks for."""
    last = study.launch()
    if last is not None and finished < last.target and last.trials == settings.trials:
        return last.target
    return finished + settings.trials


def _trial_seed(seed: int | None, number: int) -> int:
    if seed is None:
        return random.SystemRandom().randrange(2**31)
    return random.Random(f"{seed}/{number}").randrange(2**31)
