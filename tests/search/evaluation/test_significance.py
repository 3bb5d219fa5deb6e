from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from apertune.search.evaluation.metrics import METRICS
from apertune.search.evaluation.significance import (
    SIGNIFICANT,
    bootstrap_interval,
    corrected_resampled_t,
    holm,
    mcnemar,
    paired_bootstrap,
    paired_test,
    permutation_p_value,
    resamples_for,
    rounds_interval,
    smallest_difference,
)


def binary(right, rows, seed=0):
    """Labels, and binary probabilities of which the given share answers right."""
    random = np.random.default_rng(seed)
    labels = np.arange(rows, dtype=np.int32) % 2
    answers = np.where(random.random(rows) < right, labels, 1 - labels)
    return labels, (0.1 + 0.8 * answers).astype(np.float32)[:, None]


def test_mcnemar_is_the_exact_binomial_test():
    """McNemar counts rows that only one model answers right, and its p-value is the two-sided binomial one."""
    labels = np.array([1] * 20, np.int32)
    first = np.array([1] * 12 + [0] * 8, np.float32)[:, None]
    second = np.array([1] * 11 + [0] + [1] * 6 + [0] * 2, np.float32)[:, None]
    result = mcnemar(labels, first, second)
    assert (result.only_first_right, result.only_second_right) == (1, 6)
    assert result.p_value == pytest.approx(2 * (math.comb(7, 0) + math.comb(7, 1)) / 2**7)


def test_mcnemar_of_equal_answers():
    """Two models that answer alike are not different, for every form of labels."""
    labels, first = binary(0.8, 30)
    assert mcnemar(labels, first, first).p_value == 1
    multi = np.eye(3, dtype=np.uint8)[[0, 1, 2, 0]]
    result = mcnemar(multi, multi.astype(np.float32), (1 - multi).astype(np.float32))
    assert (result.only_first_right, result.only_second_right, result.p_value) == (4, 0, 2 / 16)


def test_interval_agrees_with_scipy():
    """The percentile interval of accuracy agrees with scipy's bootstrap."""
    labels, probabilities = binary(0.8, 200)
    found = bootstrap_interval(METRICS["accuracy"], labels, probabilities, seed=1, resamples=2000)
    right = ((probabilities[:, 0] >= 0.5) == labels).astype(float)
    reference = stats.bootstrap((right,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(2))
    assert found.value == pytest.approx(right.mean())
    assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval), abs=0.012)


def test_a_paired_test_tells_better_from_equal():
    """A clear difference is found, with its sign in the interval; of two equal models none is better."""
    labels, weak = binary(0.7, 400)
    _, strong = binary(0.9, 400, seed=5)
    better = paired_bootstrap(METRICS["f1"], labels, weak, strong, seed=0, resamples=300)
    assert 0 < better.low < better.value < better.high
    assert paired_test(METRICS["f1"], labels, weak, strong, seed=0) == ("paired permutation", 1 / 1000)
    same = paired_bootstrap(METRICS["f1"], labels, weak, weak, seed=0, resamples=50)
    assert (same.value, same.low, same.high, same.spread) == (0, 0, 0, 0)
    assert paired_test(METRICS["f1"], labels, weak, weak, seed=0) == ("paired permutation", 1)


def test_equal_ranking_is_no_difference_in_ranking():
    """Two models whose order of images is the same do not differ by a metric of ranks, however their answers differ."""
    labels, probabilities = binary(0.8, 300)
    spread = probabilities + np.random.default_rng(0).random((300, 1), np.float32) * 0.05
    shifted = (spread / 3).astype(np.float32)
    assert mcnemar(labels, spread, shifted).p_value < 1e-7
    assert paired_test(METRICS["roc_auc"], labels, spread, shifted, seed=0)[1] == 1


def test_a_rank_test_does_not_hang_on_the_scale():
    """The p-value of a metric of ranks is the same when one model's probabilities are squeezed."""
    labels = (np.random.default_rng(1).random(200) < 0.4).astype(np.int32)
    first, second = (
        (np.random.default_rng(seed).random((200, 1)) * 0.7 + 0.3 * labels[:, None]).astype(np.float32) / 2
        for seed in (2, 3)
    )
    plain, squeezed = (
        permutation_p_value(METRICS["roc_auc"], labels, first, other, seed=0, resamples=199)
        for other in (second, second**3)
    )
    assert plain == squeezed


def test_a_permutation_is_mcnemar_for_right_answers():
    """For a share of right answers the permutation test gives McNemar's p-value, which is its exact form."""
    labels, weak = binary(0.7, 120)
    _, strong = binary(0.85, 120, seed=5)
    exact = mcnemar(labels, weak, strong).p_value
    drawn = permutation_p_value(METRICS["accuracy"], labels, weak, strong, seed=0, resamples=4999)
    assert drawn == pytest.approx(exact, abs=0.01)
    assert paired_test(METRICS["accuracy"], labels, weak, strong, seed=0) == ("McNemar", exact)


@pytest.mark.parametrize("pairs", [1, 10, 45, 190])
def test_exchanges_suffice_for_every_pair(pairs):
    """Holm's correction of the least p-value over all pairs is well below the level, however many pairs there are."""
    least = 1 / (resamples_for(SIGNIFICANT / pairs) + 1)
    assert holm([least] * pairs)[0] <= SIGNIFICANT / 5
    assert resamples_for(SIGNIFICANT) == 999


def test_a_test_of_map():
    """Mean average precision, which has no test of its own, is tested by exchanging all of an image's answers."""
    random = np.random.default_rng(0)
    labels = (random.random((150, 3)) < 0.3).astype(np.uint8)
    noise = random.random((150, 3))
    first, second = ((weight * labels + noise).astype(np.float32) / 3 for weight in (0.2, 1.0))
    result = paired_bootstrap(METRICS["map"], labels, first, second, seed=0, resamples=200)
    assert result.low > 0
    assert result == paired_bootstrap(METRICS["map"], labels, first, second, seed=0, resamples=200)
    assert paired_test(METRICS["map"], labels, first, second, seed=0)[1] < 0.05


def test_rounds_are_tested_by_their_paired_differences():
    """The corrected resampled t of Nadeau and Bengio: a spread between rounds that both share is no obstacle."""
    first, second = [0.50, 0.70, 0.60, 0.80, 0.65], [0.53, 0.74, 0.63, 0.84, 0.68]
    test = corrected_resampled_t(first, second, 1 / 4)
    gaps = np.subtract(second, first)
    t = gaps.mean() / np.sqrt((1 / 5 + 1 / 4) * gaps.var(ddof=1))
    assert test.p_value == pytest.approx(2 * stats.t.sf(t, 4))
    assert test.p_value < 0.001
    assert test.low < test.value < test.high
    assert stats.ttest_rel(second, first).pvalue < test.p_value
    assert stats.ttest_ind(second, first).pvalue > 0.5
    assert corrected_resampled_t(first, first, 0.25).p_value == 1
    assert math.isnan(corrected_resampled_t([0.5], [0.6], 0.25).p_value)
    interval = rounds_interval(first, 0.25)
    assert interval.value == pytest.approx(0.65)
    assert interval.low < 0.65 < interval.high
    assert math.isnan(corrected_resampled_t([0.5, 0.6], [0.6, 0.7], 0.25).p_value)


def test_the_smallest_difference_grows_with_the_spread():
    """A test of more pairs, and one of fewer images, can show only a larger difference."""
    assert smallest_difference(0.01) == pytest.approx(0.01 * (1.96 + 1.036), abs=1e-4)
    assert smallest_difference(0.02) > smallest_difference(0.01, level=0.005) > smallest_difference(0.01)


def test_undefined_metrics_have_no_interval():
    """A metric that is undefined on every resample gives NaN and no warning."""
    labels, probabilities = np.zeros(5, np.int32), np.full((5, 1), 0.2, np.float32)
    interval = bootstrap_interval(METRICS["roc_auc"], labels, probabilities, seed=0, resamples=20)
    assert math.isnan(interval.low)
    metric = METRICS["roc_auc"]
    assert math.isnan(paired_bootstrap(metric, labels, probabilities, probabilities, seed=0, resamples=20).spread)
    assert math.isnan(paired_test(metric, labels, probabilities, probabilities, seed=0)[1])


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "balanced_accuracy", "roc_auc"])
def test_no_error_in_few_rows_is_no_certainty(name):
    """The interval of a perfect score reaches down to where so many right answers in a row are as rare as 2.5 %."""
    labels, probabilities = binary(1.0, 60)
    interval = bootstrap_interval(METRICS[name], labels, probabilities, seed=0, resamples=200)
    assert (interval.value, interval.high) == (1.0, 1.0)
    exact = stats.binomtest(60, 60).proportion_ci(0.95, method="exact")
    assert interval.low == pytest.approx(exact.low)


def test_no_error_of_a_loss_is_no_certainty():
    """A share of errors of 0 reaches up as far as a share of right answers of 1 reaches down."""
    labels = np.eye(3, dtype=np.uint8)[np.arange(60) % 3]
    interval = bootstrap_interval(METRICS["hamming_loss"], labels, labels * 0.8 + 0.1, seed=0, resamples=50)
    assert (interval.value, interval.low) == (0.0, 0.0)
    assert interval.high == pytest.approx(1 - 0.025 ** (1 / 60))


def test_the_calibration_error_has_no_interval():
    """Resamples of a calibrated model's answers have a larger error than the model, so no interval is given."""
    random = np.random.default_rng(0)
    stated = random.random((400, 1), np.float32)
    labels = (random.random(400) < stated[:, 0]).astype(np.int32)
    metric = METRICS["expected_calibration_error"]
    interval = bootstrap_interval(metric, labels, stated, seed=0)
    assert interval.value == metric.score(labels, stated)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_holm_raises_p_values_in_order():
    """Holm's correction multiplies the smallest p-value by the number of tests and keeps the order."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def alike(seed, gain=0.0, rows=120):
    """Labels of three classes, and two models whose errors go together, the second better by `gain`."""
    random = np.random.default_rng((seed, 7))
    labels = random.choice(3, rows, p=(0.6, 0.3, 0.1)).astype(np.int32)
    hardness = random.normal(size=rows)
    models = []
    for right in (0.75, 0.75 + gain):
        skill = stats.norm.cdf((hardness + random.normal(size=rows)) / np.sqrt(2))
        given = np.where(skill < right, labels, (labels + random.integers(1, 3, rows)) % 3)
        models.append(np.where(np.arange(3) == given[:, None], 0.8, 0.1).astype(np.float32))
    return labels, *models


@pytest.mark.parametrize("name", ["accuracy", "macro_f1"])
def test_verdicts_hold_on_models_of_known_truth(name):
    """Equal models are called different in at most 5 % of cases, and those as far apart as stated in at least 80 %.

    `benchmarks/verdicts.py` measures this closely; here each bound is given as far as 200 and 60 cases can tell.
    """
    metric = METRICS[name]
    equal = sum(paired_test(metric, *alike(seed), seed=seed)[1] < SIGNIFICANT for seed in range(200))
    assert stats.binomtest(equal, 200, 0.05, alternative="greater").pvalue > 0.01
    spreads = [paired_bootstrap(metric, *alike(seed, 0.15), seed=seed, resamples=100).spread for seed in range(20)]
    labels, first, second = alike(1, 0.15, rows=100_000)
    apart = metric.score(labels, second) - metric.score(labels, first)
    # With this many images that difference is the smallest one stated.
    rows = round(120 * (smallest_difference(float(np.mean(spreads))) / apart) ** 2)
    found = sum(paired_test(metric, *alike(seed, 0.15, rows), seed=seed)[1] < SIGNIFICANT for seed in range(60))
    assert stats.binomtest(found, 60, 0.8, alternative="less").pvalue > 0.01
