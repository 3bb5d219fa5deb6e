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
    low: float
    """Lower end of the 95 % bootstrap interval of the score on test."""

    high: float
    """Upper end of that interval."""

    baseline: float | None = None
    """The score of class frequencies alone on the same test images."""

    champion: float | None = None
    """The score of the present champion on them; None without one."""

    reference: float | None = None
    """The score of the published reference on them; None unless it was trained."""


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of every model to the test images: probabilities float32 (rows, outputs)."""

    labels: Labels
    challenger: Probabilities
    validation: Probabilities
    """The challenger's answers to the validation images."""

    baseline: Probabilities
    champion: Opponent | None
    reference: Opponent | None

    @property
    def opponents(self) -> list[Opponent]:
        return [opponent for opponent in (self.reference, self.champion) if opponent is not None]


def all_scores(job: Job, contract: ModelContract, answers: Answers) -> tuple[Score, ...]:
    """Returns all metrics of the task; for several labels also F1 at the thresholds that were tuned on validation."""
    known = job.view.labels("validation")
    wanted = {job.metric.name, *job.settings.minimums}
    metrics = [m for m in for_task(job.dataset.task) if not m.tuned_on_its_images or m.name in wanted]
    return tuple(_score(metric, known, answers) for metric in (*metrics, *_at_thresholds(contract)))


def _score(metric: Metric, known: Labels, answers: Answers) -> Score:
    interval = bootstrap_interval(metric, answers.labels, answers.challenger, seed=0)
    others = [None if other is None else other.probabilities for other in (answers.champion, answers.reference)]
    if metric.name.endswith("_at_thresholds"):
        # These thresholds are the new model's own.
        others = [None, None]
    return Score(
        metric.name,
        metric.score(known, answers.validation),
        interval.value,
        interval.low,
        interval.high,
        metric.score(answers.labels, answers.baseline),
        *(None if other is None else metric.score(answers.labels, other) for other in others),
    )


def _at_thresholds(contract: ModelContract) -> Iterator[Metric]:
    if contract.task != "multilabel":
        return
    thresholds = np.asarray(contract.thresholds)
    for average in ("micro", "macro"):
        function = partial(averaged, "f1", average, thresholds=thresholds)
        yield Metric(f"{average}_f1_at_thresholds", Direction.MAXIMIZE, 1, MULTILABEL, function, "F1 of the answers.")
