"""Tests that tell a real difference from chance, and intervals of scores, given the images they were measured on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Labels
from .decisions import Floats, Probabilities, answers
from .direction import Direction
from .metrics import Metric

RESAMPLES = 1000
CONFIDENCE = 0.95
SIGNIFICANT = 0.05
# Promised is 0.8. Normal approximation, the estimate of the spread, and whole numbers of images cost up to 0.05 of it.
POWER = 0.85
# The least p-value of a test is this share of the level it is held against, so that the level can be reached.
FINENESS = 0.2
# Once so many exchanges differ as much as the two models do, their difference is no rare one.
ENOUGH_EXCHANGES = 100
EXCHANGE_STREAM = 0x9E37
TestName = Literal["McNemar", "paired permutation", "corrected resampled t"]


@dataclass(frozen=True)
class Interval:
    """A score, with the interval where it would lie on other images of the same kind."""

    value: float
    """The score on all rows."""
    low: float
    """The interval's lower end."""
    high: float
    """The interval's upper end."""
    confidence: float
    """The confidence of the interval, such as 0.95."""


@dataclass(frozen=True)
class Difference:
    """The difference between two models' scores, with its interval.

    Interval and spread are NaN if the metric is undefined on all resamples.
    """

    first: float
    """The first model's score."""
    second: float
    """The second model's score."""
    low: float
    """The lower end of the interval of `second` minus `first`."""
    high: float
    """Its upper end."""
    spread: float
    """The standard error of the difference."""
    confidence: float
    """The confidence of the interval, such as 0.95."""

    @property
    def value(self) -> float:
        """The second model's score minus the first one's."""
        return self.second - self.first


@dataclass(frozen=True)
class McNemar:
    """The rows that only one of two models answers right, and the chance of so uneven a split between equals."""

    only_first_right: int
    """Rows that only the first model answers right."""
    only_second_right: int
    """Rows that only the second model answers right."""
    p_value: float
    """The chance of so uneven a split if both were equal, two-sided."""


def mcnemar(labels: Labels, first: Probabilities, second: Probabilities) -> McNemar:
    """Applies McNemar's test, exact and two-sided, to two models' answers to the same rows.

    A multilabel answer is right when it is right for every class. Source: McNemar (1947); the exact form is a
    binomial test.
    """
    from scipy.stats import binomtest

    first_right, second_right = _right(labels, first), _right(labels, second)
    only_first = int(np.count_nonzero(first_right & ~second_right))
    only_second = int(np.count_nonzero(second_right & ~first_right))
    total = only_first + only_second
    p_value = float(binomtest(only_first, total, 0.5).pvalue) if total else 1.0
    return McNemar(only_first, only_second, p_value)


def resampled_scores(
    metric: Metric,
    labels: Labels,
    probabilities: Sequence[Probabilities],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Floats:
    """Returns each model's score on rows drawn with replacement, the same rows for all models.

    Args:
        metric: the score.
        labels: of all rows, see the docstring of this package for their form.
        probabilities: of each model, for the same rows in the same order.
        seed: decides which rows are drawn.
        resamples: number of draws.

    Returns:
        float64 (models, resamples); NaN where the metric is undefined.
    """
    # Not scipy.stats.bootstrap: given row numbers and this seed it finds the very same scores in 1.1 times the time,
    # but it refuses a single row, warns where a metric is undefined, gives no interval as soon as one resample has no
    # score, and holds the rows of all resamples at once (460 MB for 1000 of 28,709 rows) unless it draws in batches,
    # which takes 1.3 times the time.
    random = np.random.default_rng(seed)
    scores = np.empty((len(probabilities), resamples))
    for number in range(resamples):
        rows = random.integers(0, len(labels), len(labels))
        drawn = labels[rows]
        for model, given in enumerate(probabilities):
            scores[model, number] = metric.score(drawn, given[rows])
    return scores


def bootstrap_interval(
    metric: Metric,
    labels: Labels,
    probabilities: Probabilities,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Returns the interval of a score as `interval_of` has it; NaN at both ends for a metric that has none."""
    whole = metric.score(labels, probabilities)
    if not metric.has_interval:
        return Interval(whole, math.nan, math.nan, confidence)
    scores = resampled_scores(metric, labels, [probabilities], seed=seed, resamples=resamples)[0]
    return interval_of(metric, whole, scores, len(labels), confidence)


def interval_of(metric: Metric, whole: float, scores: Floats, rows: int, confidence: float = CONFIDENCE) -> Interval:
    """Returns the percentile bootstrap interval of a score.

    Rows without a single error have none in any resample either, though other rows may well have some. The end of the
    interval is then where as many right answers in a row would be as unlikely as the confidence lets them be.

    Sources: Efron and Tibshirani (1993), chapter 13; for rows without errors Clopper and Pearson (1934).

    Args:
        metric: the score.
        whole: its value on all rows.
        scores: its values on resamples, (resamples,).
        rows: number of rows.
        confidence: of the interval, 0 to 1.
    """
    low, high = percentiles(scores, confidence)
    if whole == low == high == metric.best and not metric.of_probabilities:
        least = ((1 - confidence) / 2) ** (1 / rows)
        low, high = (least, high) if metric.direction is Direction.MAXIMIZE else (low, 1 - least)
    return Interval(whole, low, high, confidence)


def paired_bootstrap(
    metric: Metric,
    labels: Labels,
    first: Probabilities,
    second: Probabilities,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Difference:
    """Returns the difference of two models' scores on the same rows, with its percentile bootstrap interval."""
    scores = resampled_scores(metric, labels, [first, second], seed=seed, resamples=resamples)
    whole = metric.score(labels, first), metric.score(labels, second)
    return difference(scores[0], scores[1], *whole, confidence=confidence)


def difference(
    first_scores: Floats, second_scores: Floats, first: float, second: float, *, confidence: float = CONFIDENCE
) -> Difference:
    """Returns the difference of two models from their resampled scores and their scores on all rows.

    Args:
        first_scores: the first model's row of `resampled_scores`.
        second_scores: the second model's row of the same call.
        first: the first model's score on all rows.
        second: the second model's score on all rows.
        confidence: of the interval, 0 to 1.
    """
    gaps = second_scores - first_scores
    gaps = gaps[~np.isnan(gaps)]
    spread = float(gaps.std(ddof=1)) if len(gaps) > 1 else math.nan
    return Difference(first, second, *percentiles(gaps, confidence), spread, confidence)


def paired_test(
    metric: Metric,
    labels: Labels,
    first: Probabilities,
    second: Probabilities,
    *,
    seed: int,
    level: float = SIGNIFICANT,
) -> tuple[TestName, float]:
    """Tests whether two models differ in a metric on the same rows, two-sided.

    McNemar's test where the metric is a share of right answers, since it is the exact permutation test of that; else
    the paired permutation test of the metric.

    Args:
        metric: the score that is compared.
        labels: of all rows.
        first: the first model's probabilities.
        second: the second model's probabilities of the same rows.
        seed: decides which rows are exchanged.
        level: the level that the p-value is to be held against, divided by the number of tests made at once.

    Returns:
        The test, and its p-value: the chance of so large a difference between equals; NaN if the metric is undefined.
    """
    if metric.counts_right_answers:
        return "McNemar", mcnemar(labels, first, second).p_value
    resamples = resamples_for(level)
    return "paired permutation", permutation_p_value(metric, labels, first, second, seed=seed, resamples=resamples)


def resamples_for(level: float) -> int:
    """Returns how many exchanges a permutation test needs to reach a level with some room to spare, at least 999."""
    return max(RESAMPLES, math.ceil(1 / (FINENESS * level))) - 1


def permutation_p_value(
    metric: Metric, labels: Labels, first: Probabilities, second: Probabilities, *, seed: int, resamples: int
) -> float:
    """Returns the share of random exchanges of the two models' answers, image by image, that differ as much as they do.

    Between equals every exchange is as likely as what was seen, so the p-value holds for any metric and any number of
    rows. A metric of ranks compares the models' ranks, whose scales are alike. Sources: Good, "Permutation Tests"
    (2000), section 3.2; Venkatraman and Begg (1996) for ranks; Besag and Clifford (1991) for the early end.
    """
    # Not scipy.stats.permutation_test: it draws every exchange, also when the first hundred have settled the matter,
    # and holds a batch of row numbers for each.
    if metric.by_rank:
        first, second = _ranks(first), _ranks(second)
    observed = abs(metric.score(labels, second) - metric.score(labels, first))
    if math.isnan(observed):
        return math.nan
    # A stream of its own: answers that were drawn from the stream of the bare seed would be exchanged by their errors.
    random = np.random.default_rng((seed, EXCHANGE_STREAM))
    reached = 0
    for drawn in range(1, resamples + 1):
        exchanged = random.random(len(labels))[:, None] < 0.5
        one, other = np.where(exchanged, second, first), np.where(exchanged, first, second)
        gap = abs(metric.score(labels, one) - metric.score(labels, other))
        # An exchange for which the metric is undefined speaks for neither; it counts against the difference.
        reached += not gap < observed - 1e-12
        if reached == ENOUGH_EXCHANGES:
            return reached / drawn
    return (reached + 1) / (resamples + 1)


def smallest_difference(spread: float, *, level: float = SIGNIFICANT) -> float:
    """Returns the true difference that a two-sided test at this level finds in at least 4 of 5 samples.

    Args:
        spread: the standard error of the difference.
        level: of the test, divided by the number of tests made at once.
    """
    from scipy.stats import norm

    return float((norm.isf(level / 2) + norm.ppf(POWER)) * spread)


@dataclass(frozen=True)
class RoundsTest:
    """Two configurations that were trained on the same folds or with the same seeds."""

    value: float
    """The mean difference, the second one's values minus the first one's."""
    low: float
    """The lower end of its interval."""
    high: float
    """The upper end."""
    p_value: float
    """The chance of so large a difference between equals, two-sided."""
    spread: float
    """The standard error of the mean difference."""


def corrected_resampled_t(
    first: Sequence[float], second: Sequence[float], share: float, *, confidence: float = CONFIDENCE
) -> RoundsTest:
    """Tests the differences of two configurations round by round, by the corrected resampled t-test.

    Rounds are not independent, since they share training or validation images; so the variance of the mean is taken
    as (1 / rounds + share) times that of the differences, rather than 1 / rounds times. Source: Nadeau and Bengio,
    "Inference for the Generalization Error" (2003), section 4.

    Args:
        first: the first one's value per round.
        second: the second one's values of the same rounds.
        share: validation images per training image; 1 / (folds - 1) for folds.
        confidence: of the interval, 0 to 1.
    """
    from scipy.stats import t as student

    gaps = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    mean, rounds = float(gaps.mean()), len(gaps)
    if rounds < 2:
        return RoundsTest(mean, math.nan, math.nan, math.nan, math.nan)
    spread = float(np.sqrt((1 / rounds + share) * gaps.var(ddof=1)))
    if spread < 1e-12:
        # Equal differences, which few rounds of few images often show by chance, give no spread to judge them by.
        return RoundsTest(mean, mean, mean, 1.0 if abs(mean) < 1e-12 else math.nan, spread)
    p_value = float(2 * student.sf(abs(mean) / spread, rounds - 1))
    reach = float(student.ppf((1 + confidence) / 2, rounds - 1)) * spread
    return RoundsTest(mean, mean - reach, mean + reach, p_value, spread)


def rounds_interval(values: Sequence[float], share: float, *, confidence: float = CONFIDENCE) -> Interval:
    """Returns the interval of a configuration's mean over its folds or repeats, as `corrected_resampled_t` has it."""
    test = corrected_resampled_t([0.0] * len(values), values, share, confidence=confidence)
    return Interval(test.value, test.low, test.high, confidence)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusts the p-values of several tests made at once, so that each may be read on its own.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979).
    """
    # scipy.stats has only the corrections that bound the share of false discoveries, and statsmodels, which has this
    # one, takes 44 MB on disk and 1.5 s to import.
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    raised = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values, dtype=np.float64)[order] * factors))
    adjusted = np.empty(len(order))
    adjusted[order] = raised
    return [float(value) for value in adjusted]


def _right(labels: Labels, probabilities: Probabilities) -> NDArray[np.bool_]:
    same = answers(labels, probabilities) == labels
    return np.asarray(same.all(axis=1) if labels.ndim == 2 else same, dtype=np.bool_)


def _ranks(probabilities: Probabilities) -> Probabilities:
    """Returns the rank of each row in each column, the mean rank for equal ones."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(probabilities, axis=0), dtype=np.float32)


def percentiles(values: Floats, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Returns the ends of the percentile interval of resampled scores; NaN where none is defined."""
    defined = values[~np.isnan(values)]
    if len(defined) == 0:
        return math.nan, math.nan
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
