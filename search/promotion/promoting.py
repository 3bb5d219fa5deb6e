"""One promotion, from a study to a registered model."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...datasets.base import ImageDataset
from ...errors import DatasetError, SettingError
from ...files.private import private_files
from ...files.scratch import scratch_folder
from ...spaces.foreign.sent import look_in
from ..engine.state import State
from ..evaluation.decisions import Probabilities
from ..evaluation.metrics import Metric, resolve_objective
from ..executors.base import Executor
from ..executors.choosing import make_executor
from ..executors.places import PlaceSettings
from ..export.parity import ParityImages
from ..export.quick_start import add_quick_start
from ..models.contract import ModelContract
from ..models.own_classes import trust_space
from ..models.package import CARD_FILE, SCORES_FILE, add_texts
from ..settings import Home, make_home
from .assembly import assemble
from .card import model_card, published_line
from .examination import Examination, check_worth, examine
from .job import Job
from .opponents import Reference, trained_reference
from .registration import Registered, register
from .retraining import retrained_champion
from .selection import Selection, select
from .settings import PromotionSettings
from .source import TrainedNetwork, find_study
from .training import Confirmation, followed_metric
from .unfinished import alone, settle

# As many are enough to prove an ONNX file right, and take a second.
_COMPARED_IMAGES = 100


@dataclass(frozen=True)
class Promotion:
    """The outcome of a promotion."""

    dataset: str
    study: str
    metric: Metric
    trial: int
    """Number of the winner."""

    confirmations: tuple[Confirmation, ...]
    notes: tuple[str, ...]
    """Steps that led to the model, one line per step."""

    published: str | None
    """A line on the result that an article reported on this data set, if one is known."""

    examination: Examination
    registered: Registered


@private_files()
def promote(
    dataset: ImageDataset,
    settings: PromotionSettings | None = None,
    *,
    home: Home | None = None,
    say: Callable[[str], None] = lambda line: None,
    executor: Executor | None = None,
    places: PlaceSettings | None = None,
    show: Callable[[State], None] = lambda state: None,
) -> Promotion:
    """Confirms a study's best trials, tests the winner and registers it.

    Args:
        dataset: The data that the study was made with.
        settings: How many trials are confirmed, and what the winner must reach.
        home: Where the study is; the folder `mlflow` in the working directory unless given.
        say: Called with each line for the user.
        executor: Trains the trials again, and is closed at the end; made from `places` unless given.
        places: Where the trials are trained again; worker processes on this machine unless given.
        show: Called repeatedly with the state of the running trainings.

    Raises:
        UserError: The settings, the data or the study are wrong.
        ApertuneError: The work failed.
    """
    settings, places, home = settings or PromotionSettings(), places or PlaceSettings(), home or make_home(os.environ)
    study = find_study(home, dataset, settings.study)
    metric = followed_metric(study.definition)
    look_in(home.spaces)
    trust_space(study.definition.space)
    if metric.name != study.definition.objective:
        say(
            f"Only the user's own model computes {study.definition.objective}, the study's objective, so the promotion "
            f"trains and judges by {metric.name}."
        )
    for name in settings.minimums:
        resolve_objective(name, dataset.task)
    if settings.threshold is not None and dataset.task == "multiclass":
        raise SettingError(
            f"--threshold is for data of two classes or several labels, but {dataset.name} has one of "
            f"{len(dataset.classes)} classes per image; leave it out"
        )
    if len(dataset.test) == 0:
        raise DatasetError(f"{dataset.name}: the test split is empty; give shares with --split 0.7/0.15/0.15")
    with ExitStack() as stack:
        stack.enter_context(alone(home))
        settle(home, say)
        scratch = stack.enter_context(scratch_folder("promotion"))
        job = Job(dataset, dataset.training_view(), study, metric, settings, places, home, say, show, scratch)
        reference = trained_reference(job)
        if executor is None:
            logs = home.root / "logs" / uuid.uuid4().hex[:8]
            executor = make_executor(places, logs, at_most=settings.top * settings.seeds)
        with ExitStack() as training:
            training.callback(executor.close)
            selection = select(job, executor)
            contract, validation, note = assemble(job, selection, scratch / "model")
            selection = replace(selection, notes=(*selection.notes, note))
            check_worth(job, selection, contract, validation)
            retrained = retrained_champion(job, executor)
        return _promoted(job, selection, contract, validation, reference, retrained)


def _add_quick_start(job: Job, model: Path) -> None:
    scratch = job.scratch / "quick_start"
    scratch.mkdir()
    few = job.view.images("validation")[:_COMPARED_IMAGES]
    reason = add_quick_start(model, ParityImages(np.asarray(few), source="validation images"), scratch)
    if reason:
        job.say(f"The model gets no ONNX file, by which predict would start at once: {reason}.")


def _promoted(
    job: Job,
    selection: Selection,
    contract: ModelContract,
    validation: Probabilities,
    reference: Reference | None,
    retrained: TrainedNetwork | None,
) -> Promotion:
    model, artifacts = job.scratch / "model", job.scratch / "artifacts"
    examination = examine(job, selection, model, contract, validation, reference, artifacts, retrained)
    _add_quick_start(job, model)
    card = model_card(job, selection, contract, examination, artifacts)
    scores = [{"metric": s.metric, "test": s.test, "low": s.low, "high": s.high} for s in examination.scores]
    measured = {"test_images": examination.test_images, "scores": scores}
    add_texts(model, {CARD_FILE: card, SCORES_FILE: json.dumps(measured, indent=2)})
    registered = register(job, selection, examination, model=model, artifacts=artifacts, card=card)
    return Promotion(
        dataset=job.dataset.name,
        study=job.study.name,
        metric=job.metric,
        trial=selection.winner.number,
        confirmations=selection.confirmations,
        notes=selection.notes,
        published=published_line(job.dataset, examination),
        examination=examination,
        registered=registered,
    )
