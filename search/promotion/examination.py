"""The examination: the model, its opponents and the baseline on the same test images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import ApertuneError
from ...text import counted
from ..evaluation.acceptance import Accepted, accepted
from ..evaluation.baselines import frequencies
from ..evaluation.decisions import Probabilities
from ..evaluation.plots import write_trial_artifacts
from ..evaluation.significance import paired_bootstrap, smallest_difference
from ..evaluation.standing import chance_fault, one_answer
from ..export.samples import write_samples
from ..models.contract import ModelContract
from ..models.package import load_model
from ..tracking.mlflow_store import tag_run
from .gate import Contest, Verdict, contest, judge
from .job import Job
from .opening import OpenedTest, count_openings, level_after, open_test_split, times
from .opponents import Opponent, Reference, champion_opponent, reference_opponent
from .row_keys import write_learned
from .scores import Answers, Rival, Score, all_scores, strongest_baseline
from .selection import Selection
from .source import TrainedNetwork


@dataclass(frozen=True)
class Examination:
    """The outcome of an examination."""

    scores: tuple[Score, ...]
    contests: tuple[Contest, ...]
    verdict: Verdict
    gap: float
    """The objective on validation minus the objective on test."""

    openings: int
    """Number of times that these test images have been opened, by any promotion or export, this time included."""

    level: float
    """The level that p-values had to be below, after so many openings."""

    test_images: int
    champion: str | None
    """The version that was champion before, if there was one."""

    smallest: float
    """The smallest true difference in the objective that the test images could show, as told before they were opened;
    NaN if unknown."""

    acceptance: Accepted | None = None
    """Coverage and accuracy on test at the model's minimum probability; None without one."""

    def score(self, metric: str) -> Score:
        """Returns the scores of one metric."""
        return next(score for score in self.scores if score.metric == metric)


def check_worth(job: Job, selection: Selection, contract: ModelContract, validation: Probabilities) -> None:
    """Stops a promotion before the test set is opened when the model is no better than chance on validation.

    Args:
        job: The promotion.
        selection: The winner and its networks.
        contract: The model's contract, with its thresholds.
        validation: The model's answers to the validation images.

    Raises:
        ApertuneError: It is no better, and nobody forces it.
    """
    labels, called = job.view.labels("validation"), f"trial {selection.winner.number} of study '{job.study.name}'"
    if one_answer(labels, validation, np.asarray(contract.class_thresholds())):
        job.say(f"WARNING: {called} gives the same answer to every validation image.")
    judged = job.metric.judged(validation, contract.thresholds)
    baseline = strongest_baseline(job.metric, labels, _frequencies(job, len(labels)))
    fault = chance_fault(job.metric, labels, judged, baseline)
    if not fault:
        return
    if not job.settings.force:
        raise ApertuneError(
            f"on validation {called} {fault}, so the promotion stops before the test set is opened; search further, "
            "or promote it all the same with --force"
        )
    job.say(f"WARNING: on validation {called} {fault}; the test set is opened all the same, as --force asks.")


def examine(
    job: Job,
    selection: Selection,
    model: Path,
    contract: ModelContract,
    validation: Probabilities,
    reference: Reference | None,
    artifacts: Path,
    retrained: TrainedNetwork | None = None,
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
        retrained: The champion's configuration, trained again on this split, to compare with in its place.

    Raises:
        ApertuneError: The model answers with numbers that are not finite.
    """
    network, _ = load_model(model)
    champion = champion_opponent(job, contract, retrained)
    published = None if reference is None else reference_opponent(reference)
    smallest = _tell_smallest(job, contract, validation, [one for one in (champion, published) if one is not None])
    trial = selection.winner.source
    opened = open_test_split(
        job.dataset, job.home, f"promotion of trial {trial.trial.number} of study {job.study.name}"
    )
    level = level_after(opened.openings)
    tag_run(trial.run_id, {"test_openings": str(opened.openings)}, job.home.tracking_uri)
    job.say(f"These test images have been opened {times(opened.openings)}, so p must be below {level:.3g}.")
    challenger = _answers(network, opened)
    if not np.isfinite(challenger).all():
        raise ApertuneError("the model answers some test images with numbers that are not finite; it is not promoted")
    answers = Answers(
        labels=opened.labels,
        challenger=challenger,
        thresholds=contract.thresholds,
        validation=validation,
        baseline=_frequencies(job, len(opened.labels)),
        champion=_rival(champion, opened),
        reference=_rival(published, opened),
    )
    scores = all_scores(job, contract, answers)
    contests = _contests(job, answers, level)
    verdict = judge(
        contests,
        {score.metric: score.test for score in scores},
        job.settings.minimums,
        obstacles=[champion.obstacle] if champion is not None and champion.obstacle else [],
        force=job.settings.force,
    )
    _draw(job, opened, challenger, contract, artifacts)
    write_samples(job.dataset, artifacts)
    write_learned(job.dataset, artifacts)
    objective = next(score for score in scores if score.metric == job.metric.name)
    minimum = contract.minimum_probability
    return Examination(
        scores,
        contests,
        verdict,
        gap=objective.validation - objective.test,
        openings=opened.openings,
        level=level,
        test_images=len(opened.labels),
        champion=None if champion is None else champion.version,
        smallest=smallest,
        acceptance=accepted(opened.labels, challenger, minimum, contract.thresholds) if minimum else None,
    )


def _answers(network: object, opened: OpenedTest) -> Probabilities:
    from ..export.graph import predict

    return predict(network, opened.images)


def _rival(opponent: Opponent | None, opened: OpenedTest) -> Rival | None:
    if opponent is None or opponent.network is None:
        return None
    return Rival(opponent, _answers(opponent.network, opened))


def _frequencies(job: Job, rows: int) -> Probabilities:
    spec = job.view.spec()
    return frequencies(job.dataset.task, rows, spec.class_counts, spec.train_size)


def _tell_smallest(job: Job, contract: ModelContract, validation: Probabilities, opponents: list[Opponent]) -> float:
    """Tells, before the test set is opened, the smallest difference that it could show; returns that difference.

    The spread of the difference is that on the validation images, scaled to the number of test images. Of several
    opponents the one with the largest spread counts; without any, class frequencies.
    """
    from ..export.graph import predict

    labels, mine = job.view.labels("validation"), job.metric.judged(validation, contract.thresholds)
    level, images = level_after(count_openings(job.dataset, job.home) + 1), job.view.images("validation")
    found = []
    for opponent in opponents:
        if opponent.network is None:
            continue
        given = job.metric.judged(predict(opponent.network, images), opponent.thresholds)
        rows = len(job.dataset.test) if opponent.unseen is None else int(np.count_nonzero(opponent.unseen))
        spread = paired_bootstrap(job.metric, labels, given, mine, seed=0).spread
        if not spread > 0:
            # Its answers are those of the new model, which says nothing of another one.
            continue
        found.append(
            (smallest_difference(spread * float(np.sqrt(len(labels) / rows)), level=level), rows, opponent.name)
        )
    if not found:
        baseline = strongest_baseline(job.metric, labels, _frequencies(job, len(labels)))
        rows = len(job.dataset.test)
        spread = paired_bootstrap(job.metric, labels, baseline, mine, seed=0).spread
        smallest = smallest_difference(spread * float(np.sqrt(len(labels) / rows)), level=level)
        found.append((smallest, rows, "class frequencies alone"))
    smallest, rows, name = max(found)
    job.say(
        f"The smallest difference in {job.metric.name} from {name} that {counted(rows, 'test image')} could show is "
        f"about {smallest:.4f}."
    )
    return smallest


def _contests(job: Job, answers: Answers, level: float) -> tuple[Contest, ...]:
    mine = job.metric.judged(answers.challenger, answers.thresholds)
    baseline = strongest_baseline(job.metric, answers.labels, answers.baseline)
    contests = [contest(job.metric, answers.labels, mine, baseline, "class frequencies alone", level=level)]
    for rival in answers.rivals:
        theirs = job.metric.judged(rival.probabilities, rival.opponent.thresholds)
        unseen = rival.opponent.unseen
        rows = np.ones(len(answers.labels), dtype=bool) if unseen is None else unseen
        name = rival.opponent.name
        if not rows.all():
            name += f", on the {np.count_nonzero(rows):,} images that it has not learned"
        contests.append(contest(job.metric, answers.labels[rows], mine[rows], theirs[rows], name, level=level))
    return tuple(contests)


def _draw(job: Job, opened: OpenedTest, probabilities: Probabilities, contract: ModelContract, folder: Path) -> None:
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
        thresholds=contract.thresholds if contract.task == "binary" else (),
    )
    # There were no epochs on test.
    (folder / "learning_curves.png").unlink()
