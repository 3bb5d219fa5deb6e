"""The scores of a new model on the test images, with intervals, beside those of the models it is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...datasets.base import Labels
from ..evaluation.decisions import Probabilities, averaged
from ..evaluation.direction import Direction
from ..evaluation.metrics import MULTILABEL, Metric, for_task
from ..evaluation.significance import bootstrap_interval
from ..models.contract import ModelContract
from .job import Job
from .opponents import Opponent


@dataclass(frozen=True)
class Score:
    """One metric of the new model."""

    metric: str
    validation: float
    test: float
    low: float | None
    """Lower end of the 95 % bootstrap interval of the score on test; None for a metric that has none."""

    high: float | None
    """Upper end of that interval."""

    baseline: float | None = None
    """The score of class frequencies alone on the same test images."""

    champion: float | None = None
    """The score of the present champion on them; None without one, and for one that has learned some of them."""

    reference: float | None = None
    """The score of the published reference on them; None unless it was trained."""


@dataclass(frozen=True, eq=False)
class Rival:
    """An opponent with its answers to the test images."""

    opponent: Opponent
    probabilities: Probabilities
    """float32 (rows, outputs)"""


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of every model to the test images: probabilities float32 (rows, outputs)."""

    labels: Labels
    challenger: Probabilities
    thresholds: tuple[float, ...]
    """The challenger's least probabilities to say yes; empty for 0.5."""

    validation: Probabilities
    """The challenger's answers to the validation images."""

    baseline: Probabilities
    champion: Rival | None
    reference: Rival | None

    @property
    def rivals(self) -> list[Rival]:
        """The other models that answered."""
        return [rival for rival in (self.reference, self.champion) if rival is not None]


def strongest_baseline(metric: Metric, labels: Labels, baseline: Probabilities) -> Probabilities:
    """Returns class frequencies as the metric likes them best: saying no to a rare class, or always yes.

    A model that answers at tuned thresholds is compared with the better of the two, since always yes has a high F1.

    Args:
        metric: The metric.
        labels: Labels of the images.
        baseline: The classes' frequencies, the same for each image.
    """
    always = metric.judged(baseline, (0.0,) * baseline.shape[1])
    if labels.ndim == 1 and baseline.shape[1] > 1:
        return baseline
    return always if metric.better(metric.score(labels, always), metric.score(labels, baseline)) else baseline


def all_scores(job: Job, contract: ModelContract, answers: Answers) -> tuple[Score, ...]:
    """Returns all metrics of the task. Metrics of answers to two classes are those at each model's own threshold.

    For several labels the metrics are at 0.5, and F1 at the thresholds that were tuned on validation stands beside.
    """
    known = job.view.labels("validation")
    wanted = {job.metric.name, *job.settings.minimums}
    metrics = [m for m in for_task(job.dataset.task) if not m.tuned_on_its_images or m.name in wanted]
    if job.metric.name not in {metric.name for metric in metrics}:
        metrics.insert(0, job.metric)
    return tuple(_score(metric, known, answers, contract) for metric in (*metrics, *_at_thresholds(contract)))


def _score(metric: Metric, known: Labels, answers: Answers, contract: ModelContract) -> Score:
    is_binary = contract.task == "binary"

    def judged(probabilities: Probabilities, thresholds: tuple[float, ...]) -> Probabilities:
        return metric.judged(probabilities, thresholds if is_binary else ())

    challenger = judged(answers.challenger, answers.thresholds)
    interval = bootstrap_interval(metric, answers.labels, challenger, seed=0)
    others: list[float | None] = []
    for rival in (answers.champion, answers.reference):
        # Thresholds of several labels are the new model's own; and on images that it has learned, a score misleads.
        if rival is None or metric.name.endswith("_at_thresholds") or not _knows_none(rival):
            others.append(None)
        else:
            given = judged(rival.probabilities, rival.opponent.thresholds)
            others.append(metric.score(answers.labels, given))
    baseline = strongest_baseline(metric, answers.labels, answers.baseline) if is_binary else answers.baseline
    return Score(
        metric.name,
        metric.score(known, judged(answers.validation, answers.thresholds)),
        interval.value,
        interval.low if metric.has_interval else None,
        interval.high if metric.has_interval else None,
        metric.score(answers.labels, baseline),
        *others,
    )


def _knows_none(rival: Rival) -> bool:
    unseen = rival.opponent.unseen
    return unseen is None or bool(unseen.all())


def _at_thresholds(contract: ModelContract) -> Iterator[Metric]:
    if contract.task != "multilabel":
        return
    thresholds = np.asarray(contract.thresholds)
    for average in ("micro", "macro"):
        function = partial(averaged, "f1", average, thresholds=thresholds)
        yield Metric(f"{average}_f1_at_thresholds", Direction.MAXIMIZE, 1, MULTILABEL, function, "F1 of the answers.")
