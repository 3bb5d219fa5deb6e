"""The examination: the model, its opponents and the baseline on the same test images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ...errors import ApertuneError
from ..evaluation.baselines import frequencies
from ..evaluation.decisions import Probabilities
from ..evaluation.plots import write_trial_artifacts
from ..export.samples import write_samples
from ..models.contract import ModelContract
from ..models.package import load_model
from ..tracking.mlflow_store import tag_run
from .gate import Contest, Verdict, contest, judge
from .job import Job
from .opening import OpenedTest, open_test_split, times
from .opponents import Reference, champion_opponent, reference_opponent
from .scores import Answers, Score, all_scores
from .selection import Selection


@dataclass(frozen=True)
class Examination:
    """The outcome of an examination."""

    scores: tuple[Score, ...]
    contests: tuple[Contest, ...]
    verdict: Verdict
    gap: float
    """The objective on validation minus the objective on test."""

    openings: int
    """Number of times that promotions of this study have opened the test split, this one included."""

    test_images: int
    champion: str | None
    """The version that was champion before, if there was one."""

    def score(self, metric: str) -> Score:
        return next(score for score in self.scores if score.metric == metric)


def examine(
    job: Job,
    selection: Selection,
    model: Path,
    contract: ModelContract,
    validation: Probabilities,
    reference: Reference | None,
    artifacts: Path,
) -> Examination:
    """Opens the test split and judges the model on it.

    Args:
        job: The promotion.
        selection: The winner and its networks.
        model: The folder of the model.
        contract: The model's contract.
        validation: The model's answers to the validation images.
        reference: The trained reference to compare with, if there is one.
        artifacts: A folder for plots and tables of the answers on test.

    Raises:
        ApertuneError: The model answers with numbers that are not finite.
    """
    network, _ = load_model(model)
    trial = selection.winner.source
    opened = open_test_split(job.dataset, job.study_folder, f"promotion of trial {trial.trial.number}")
    tag_run(trial.run_id, {"test_openings": str(opened.openings)}, job.home.tracking_uri)
    job.say(f"The test set of study {job.study.name} has been opened {times(opened.openings)}.")
    challenger = _answers(network, opened)
    if not np.isfinite(challenger).all():
        raise ApertuneError("the model answers some test images with numbers that are not finite; it is not promoted")
    answers = _all_answers(job, contract, opened, challenger, validation, reference)
    scores = all_scores(job, contract, answers)
    contests = _contests(job, answers)
    verdict = judge(
        contests,
        {score.metric: score.test for score in scores},
        job.settings.minimums,
        obstacles=[opponent.obstacle for opponent in answers.opponents if opponent.obstacle],
        force=job.settings.force,
    )
    _draw(job, opened, challenger, artifacts)
    write_samples(job.dataset, artifacts)
    objective = next(score for score in scores if score.metric == job.metric.name)
    gap = objective.validation - objective.test
    version = None if answers.champion is None else answers.champion.version
    return Examination(scores, contests, verdict, gap, opened.openings, len(opened.labels), version)


def _answers(network: object, opened: OpenedTest) -> Probabilities:
    from ..export.graph import predict

    return predict(network, opened.images)


def _all_answers(
    job: Job,
    contract: ModelContract,
    opened: OpenedTest,
    challenger: Probabilities,
    validation: Probabilities,
    reference: Reference | None,
) -> Answers:
    ask, spec = partial(_answers, opened=opened), job.view.spec()
    return Answers(
        labels=opened.labels,
        challenger=challenger,
        validation=validation,
        baseline=frequencies(job.dataset.task, len(opened.labels), spec.class_counts, spec.train_size),
        champion=champion_opponent(job, contract, ask),
        reference=None if reference is None else reference_opponent(reference, ask),
    )


def _contests(job: Job, answers: Answers) -> tuple[Contest, ...]:
    others = [(answers.baseline, "class frequencies alone")]
    for opponent in answers.opponents:
        if opponent.probabilities is not None:
            others.append((opponent.probabilities, opponent.name))
    return tuple(contest(job.metric, answers.labels, answers.challenger, other, name) for other, name in others)


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
