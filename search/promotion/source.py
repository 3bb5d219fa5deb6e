"""The source of a promotion: the study, its best trials, and the models those left in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ...datasets.base import ImageDataset
from ...errors import ModelError, StudyError
from ..evaluation.decisions import Probabilities
from ..models.package import check_manifest
from ..models.safety import check_mlmodel
from ..reports.trial_comparison import PREDICTIONS
from ..results import StudyResult, is_reference, read_studies
from ..settings import Home, SearchSettings
from ..studies.trial_records import TrialRecord
from ..tracking.mlflow_store import fetch_model, fetch_run_file, has_model, read_run
from ..tracking.provenance import recorded_settings
from ..tracking.records import PARENT_TAG
from .job import Job


@dataclass(frozen=True)
class TrialSource:
    """A finished trial, with everything that training it again needs."""

    trial: TrialRecord
    run_id: str
    """Its MLflow run."""

    search_run_id: str
    """The MLflow run of its search."""

    settings: SearchSettings
    """The settings of its search, as MLflow recorded them."""

    keeps_model: bool
    """Its model is expected to be there."""


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A saved network and its answers."""

    trial: int
    seed: int | None
    """The seed of its training; None for the search's own."""

    value: float
    """The objective on the validation images."""

    epochs: int
    folder: Path
    """The folder of the model."""

    probabilities: Probabilities
    """Its answers to the validation images, float32 (rows, outputs)."""


def find_study(home: Home, dataset: ImageDataset, name: str | None) -> StudyResult:
    """Returns the study of that name, or else the search of this very data with the most complete trials.

    Raises:
        StudyError: There is none.
    """
    studies = read_studies(home, dataset.name)
    if name is not None:
        studies = [study for study in studies if study.name == name]
    if not studies:
        named = f" called '{name}'" if name else ""
        name = dataset.adapter or "DATASET"
        raise StudyError(f"there is no study of {dataset.name}{named}; start one with: apertune search {name}")
    fitting = [study for study in studies if study.definition.fingerprint == dataset.fingerprint]
    if not fitting:
        made = ", ".join(f"{study.name}: {study.definition.fingerprint[:12]}" for study in studies)
        raise StudyError(
            f"no study was made with this data (its fingerprint is {dataset.fingerprint[:12]}, but {made}); "
            "give the same data set flags as to apertune search"
        )
    # A study of the published reference is promoted only by its name, or if there is no other.
    return max(fitting, key=lambda study: (not is_reference(study), _complete(study)))


def _complete(study: StudyResult) -> int:
    return sum(trial.state == "complete" for trial in study.trials)


def complete_trials(study: StudyResult) -> list[TrialRecord]:
    """Returns the trials that may be promoted, best first.

    Raises:
        StudyError: There is none.
    """
    usable = [trial for trial in study.complete() if np.isfinite(trial.value or 0.0)]
    if not usable:
        raise StudyError(f"study '{study.name}' has no complete trial yet; go on with apertune search")
    return usable


def trial_source(home: Home, study: StudyResult, trial: TrialRecord) -> TrialSource:
    """Reads from MLflow how the trial's search was set.

    Raises:
        StudyError: MLflow does not know the trial.
    """
    run_id = study.run_ids.get(trial.number)
    if run_id is None:
        raise StudyError(f"trial {trial.number} of '{study.name}' is not in MLflow yet; send it with: apertune sync")
    search_run_id = read_run(run_id, home.tracking_uri).tags.get(PARENT_TAG, "")
    params: Mapping[str, str] = read_run(search_run_id, home.tracking_uri).params if search_run_id else {}
    settings = recorded_settings(study.definition.space, study.definition.epochs, params)
    return TrialSource(
        trial=trial,
        run_id=run_id,
        search_run_id=search_run_id,
        settings=settings,
        keeps_model=_keeps_model(settings.keep_models, run_id, home),
    )


def own_model(home: Home, source: TrialSource, folder: Path) -> Path:
    """Fetches the model that the trial left into a folder of its own below `folder`, and checks every byte of it.

    Raises:
        ModelError: A file, which the message names, is missing, altered, or could run code.
    """
    target = folder / source.run_id
    target.mkdir(parents=True, exist_ok=True)
    model = fetch_model(f"runs:/{source.run_id}/model", home.tracking_uri, target)
    check_manifest(model)
    check_mlmodel(model)
    return model


def own_network(job: Job, source: TrialSource) -> TrainedNetwork:
    """Returns the model that the trial left, with its answers to the validation images.

    Its value is computed from its own answers: of a trial with several trainings, the study holds the mean value, but
    the model of the first.

    Raises:
        ModelError: A file, which the message names, is missing or altered.
        StudyError: The answers are of other validation images.
    """
    model = own_model(job.home, source, job.scratch)
    answers = validation_answers(job.home, source.run_id, job.scratch / source.run_id)
    labels = job.view.labels("validation")
    if len(answers) != len(labels):
        raise ModelError(
            f"{PREDICTIONS} of MLflow run {source.run_id} has {len(answers)} rows for {len(labels)} validation images"
        )
    value, epochs = job.metric.score(labels, answers), source.trial.best_epoch
    return TrainedNetwork(source.trial.number, None, value, epochs, model, answers)


def validation_answers(home: Home, run_id: str, folder: Path) -> Probabilities:
    """Returns the answers of the trial's network to the validation images, float32 (rows, outputs).

    Raises:
        ModelError: The file of answers is missing or damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = fetch_run_file(run_id, PREDICTIONS, home.tracking_uri, folder)
    try:
        with file.open("rb") as content, np.load(content, allow_pickle=False) as saved:
            return np.asarray(saved["probabilities"], np.float32)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ModelError(f"{PREDICTIONS} of MLflow run {run_id} is damaged: {error}") from None


def _keeps_model(rule: str, run_id: str, home: Home) -> bool:
    """Returns whether the trial's model is expected to be there: if all are kept, a missing one is damage."""
    if rule.startswith("best:"):
        return has_model(run_id, home.tracking_uri)
    return rule != "none"
