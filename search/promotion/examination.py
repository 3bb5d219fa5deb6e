"""The examination: the model, the champion and the baseline on the same test images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...datasets.base import Labels, Task
from ...errors import ApertuneError, StudyError
from ..evaluation.baselines import frequencies
from ..evaluation.decisions import Probabilities, averaged
from ..evaluation.metrics import for_task
from ..evaluation.plots import write_trial_artifacts
from ..evaluation.significance import bootstrap_interval
from ..mlflow_models import Registry, fetch_model, tag_run
from ..model_contract import ModelContract
from ..model_package import load_model
from .gate import Contest, Verdict, contest, judge
from .job import Job
from .opening import OpenedTest, open_test_split, times
from .selection import Selection

CHAMPION = "champion"


@dataclass(frozen=True)
class Score:
    """One metric. low, high: the 95 % bootstrap interval of `test`, where it was computed."""

    metric: str
    validation: float | None
    test: float
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    champion: float | None = None


@dataclass(frozen=True)
class Examination:
    """gap: the objective on validation minus that on test. openings: of this study's test split, this one included.

    champion: the version that was champion before, if there is one.
    """

    scores: tuple[Score, ...]
    contests: tuple[Contest, ...]
    verdict: Verdict
    gap: float
    openings: int
    test_images: int
    champion: str | None

    def score(self, metric: str) -> Score:
        return next(score for score in self.scores if score.metric == metric)


@dataclass(frozen=True, eq=False)
class Champion:
    """The present champion on the test images; without probabilities, `obstacle` says why they cannot be had."""

    version: str
    probabilities: Probabilities | None
    obstacle: str = ""


def examine(
    job: Job, selection: Selection, model: Path, contract: ModelContract, validation: Probabilities, artifacts: Path
) -> Examination:
    """Opens the test split and judges the model on it.

    validation: what the model answers on validation. artifacts: a folder for plots and tables of the test answers.
    Raises ApertuneError when the model answers with numbers that are not finite.
    """
    network, _ = load_model(model)
    trial = selection.winner.source
    opened = open_test_split(job.dataset, job.study_folder, f"promotion of trial {trial.trial.number}")
    tag_run(trial.run_id, {"test_openings": str(opened.openings)}, job.home.tracking_uri)
    job.say(f"The test set of study {job.study.name} has been opened {times(opened.openings)}.")
    challenger = _answers(network, opened)
    if not np.isfinite(challenger).all():
        raise ApertuneError("the model answers some test images with numbers that are not finite; it is not promoted")
    champion = _champion(job, contract, opened)
    spec = job.view.spec()
    baseline = frequencies(job.dataset.task, len(opened.labels), spec.class_counts, spec.train_size)
    scores = _scores(job, contract, opened.labels, challenger, validation, baseline, champion)
    contests = _contests(job, opened.labels, challenger, baseline, champion)
    verdict = judge(
        contests,
        {score.metric: score.test for score in scores},
        job.settings.minimums,
        obstacles=[champion.obstacle] if champion is not None and champion.obstacle else [],
        force=job.settings.force,
    )
    _draw(job, opened, challenger, artifacts)
    objective = next(score for score in scores if score.metric == job.metric.name)
    gap = (objective.validation if objective.validation is not None else math.nan) - objective.test
    version = None if champion is None else champion.version
    return Examination(scores, contests, verdict, gap, opened.openings, len(opened.labels), version)


def _answers(network: object, opened: OpenedTest) -> Probabilities:
    from ..export.graph import predict

    return predict(network, opened.images)


def _champion(job: Job, contract: ModelContract, opened: OpenedTest) -> Champion | None:
    """The registered champion's answers. A champion that cannot answer these images stands in the way."""
    from ..model_names import registered_name

    name = registered_name(job.dataset.name)
    version = Registry(name, job.home.tracking_uri).aliases().get(CHAMPION)
    if version is None:
        return None
    try:
        folder = job.scratch / CHAMPION
        folder.mkdir()
        network, theirs = load_model(fetch_model(f"models:/{name}/{version}", job.home.tracking_uri, folder))
    except StudyError as error:
        return Champion(version, None, f"version {version}, the champion, cannot be loaded: {error}")
    asked = (contract.classes, contract.task, contract.image_shape)
    if (theirs.classes, theirs.task, theirs.image_shape) != asked:
        return Champion(version, None, f"version {version}, the champion, has other classes or another image size")
    if theirs.fingerprint != contract.fingerprint:
        job.say(f"Version {version}, the champion, learned from other data or splits; it may know some test images.")
    return Champion(version, _answers(network, opened))


def _scores(
    job: Job,
    contract: ModelContract,
    labels: Labels,
    challenger: Probabilities,
    validation: Probabilities,
    baseline: Probabilities,
    champion: Champion | None,
) -> tuple[Score, ...]:
    """Every metric; intervals for the objective and those recorded each epoch, since a resample costs as much again."""
    task, validation_labels = job.dataset.task, job.view.labels("validation")
    scores = []
    for metric in for_task(task):
        low = high = theirs = None
        if metric.per_epoch or metric is job.metric:
            interval = bootstrap_interval(metric, labels, challenger, seed=0)
            low, high = interval.low, interval.high
        if champion is not None and champion.probabilities is not None:
            theirs = metric.score(labels, champion.probabilities)
        known = metric.score(validation_labels, validation)
        test, chance = metric.score(labels, challenger), metric.score(labels, baseline)
        scores.append(Score(metric.name, known, test, low, high, chance, theirs))
    return (*scores, *_at_thresholds(task, contract, labels, challenger))


def _at_thresholds(task: Task, contract: ModelContract, labels: Labels, probabilities: Probabilities) -> list[Score]:
    """F1 of the answers that the model gives, at the thresholds that were tuned on validation."""
    if task != "multilabel":
        return []
    thresholds = np.asarray(contract.thresholds)
    return [
        Score("micro_f1_at_thresholds", None, averaged("f1", "micro", labels, probabilities, thresholds)),
        Score("macro_f1_at_thresholds", None, averaged("f1", "macro", labels, probabilities, thresholds)),
    ]


def _contests(
    job: Job, labels: Labels, challenger: Probabilities, baseline: Probabilities, champion: Champion | None
) -> tuple[Contest, ...]:
    contests = [contest(job.metric, labels, challenger, baseline, "class frequencies alone")]
    if champion is not None and champion.probabilities is not None:
        name = f"version {champion.version}, the champion"
        contests.append(contest(job.metric, labels, challenger, champion.probabilities, name))
    return tuple(contests)


def _draw(job: Job, opened: OpenedTest, probabilities: Probabilities, folder: Path) -> None:
    spec = job.view.spec()
    write_trial_artifacts(
        folder,
        task=job.dataset.task,
        classes=job.dataset.classes,
        labels=opened.labels,
        probabilities=probabilities,
        images=opened.images,
        history=[],
        objective=job.metric.name,
        origins=[str(origin) for origin in opened.origins],
        class_counts=spec.class_counts,
        train_size=spec.train_size,
    )
    # There were no epochs on test.
    (folder / "learning_curves.png").unlink()
