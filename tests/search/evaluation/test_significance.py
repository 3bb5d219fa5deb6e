from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from apertune.search.evaluation.metrics import METRICS
from apertune.search.evaluation.significance import bootstrap_interval, holm, mcnemar, paired_bootstrap


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


def test_paired_bootstrap_tells_better_from_equal():
    """A clear difference is found with its sign; of two equal models none is better."""
    labels, weak = binary(0.7, 400)
    _, strong = binary(0.9, 400, seed=5)
    better = paired_bootstrap(METRICS["f1"], labels, weak, strong, seed=0, resamples=300)
    assert better.value > 0
    assert 0 < better.low < better.value < better.high
    assert better.p_value == pytest.approx(2 / 301)
    same = paired_bootstrap(METRICS["f1"], labels, weak, weak, seed=0, resamples=50)
    assert (same.value, same.low, same.high, same.p_value) == (0, 0, 0, 1)


def test_paired_bootstrap_of_map():
    """Mean average precision, which has no test of its own, is compared on the same resampled rows."""
    random = np.random.default_rng(0)
    labels = (random.random((150, 3)) < 0.3).astype(np.uint8)
    noise = random.random((150, 3))
    first, second = ((weight * labels + noise).astype(np.float32) / 3 for weight in (0.2, 1.0))
    result = paired_bootstrap(METRICS["map"], labels, first, second, seed=0, resamples=200)
    assert result.low > 0
    assert result.p_value < 0.05
    assert result == paired_bootstrap(METRICS["map"], labels, first, second, seed=0, resamples=200)


def test_undefined_metrics_have_no_interval():
    """A metric that is undefined on every resample gives NaN and no warning."""
    labels, probabilities = np.zeros(5, np.int32), np.full((5, 1), 0.2, np.float32)
    interval = bootstrap_interval(METRICS["roc_auc"], labels, probabilities, seed=0, resamples=20)
    assert math.isnan(interval.low)
    assert math.isnan(paired_bootstrap(METRICS["roc_auc"], labels, probabilities, probabilities, seed=0).p_value)


def test_holm_raises_p_values_in_order():
    """Holm's correction multiplies the smallest p-value by the number of tests and keeps the order."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
