"""Thresholds: tuned on labels by a rule, and judged at 0.5 after a shift."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_curve

from apertune.errors import SettingError
from apertune.search.evaluation.metrics import METRICS
from apertune.search.evaluation.threshold_rules import ThresholdRule
from apertune.search.evaluation.thresholds import at_half, threshold_curve, tuned_thresholds


@pytest.fixture
def rare() -> tuple[np.ndarray, np.ndarray]:
    """Labels, 15 % positive, and probabilities of a model that ranks well and never says yes at 0.5."""
    random = np.random.default_rng(0)
    labels = (random.random(400) < 0.15).astype(np.int32)
    return labels, ((0.5 * labels + random.random(400)) / 4)[:, None].astype(np.float32)


def test_each_rule_makes_its_score_best(rare: tuple[np.ndarray, np.ndarray]) -> None:
    """The tuned threshold reaches what scikit-learn finds by trying every one."""
    labels, probabilities = rare
    scores = probabilities[:, 0]
    assert METRICS["f1"].score(labels, probabilities) == 0
    (tuned,) = tuned_thresholds(labels, probabilities)
    best = max(f1_score(labels, scores >= cut) for cut in np.unique(scores))
    assert f1_score(labels, scores >= tuned) == pytest.approx(best)
    precision, recall, _ = precision_recall_curve(labels, scores)
    (cut,) = tuned_thresholds(labels, probabilities, ThresholdRule("recall@precision", 0.8))
    found = scores >= cut
    assert labels[found].mean() >= 0.8
    assert labels[found].sum() / labels.sum() == pytest.approx(recall[precision >= 0.8].max())
    (cut,) = tuned_thresholds(labels, probabilities, ThresholdRule("precision@recall", 0.9))
    found = scores >= cut
    assert labels[found].sum() / labels.sum() >= 0.9
    assert labels[found].mean() == pytest.approx(precision[recall >= 0.9].max())

    def cost(cut: float) -> float:
        found = scores >= cut
        return float(5 * labels[~found].sum() + (1 - labels)[found].sum())

    (cut,) = tuned_thresholds(labels, probabilities, ThresholdRule("cost", 5))
    assert cost(cut) == min(cost(other) for other in np.unique(scores))
    assert tuned_thresholds(labels, probabilities, ThresholdRule("fixed", 0.25)).tolist() == [0.25]
    (low,) = tuned_thresholds(labels, probabilities, ThresholdRule("cost", 100))
    assert low < cut


def test_a_precision_out_of_reach_is_refused() -> None:
    """A precision that no threshold reaches on these rows is said, with the best there is."""
    labels = np.array([0, 1, 0, 1], np.int32)
    probabilities = np.array([[0.9], [0.8], [0.7], [0.6]], np.float32)
    with pytest.raises(SettingError, match=r"recall@precision=0.9 cannot be reached .* at most 0.5; ask for less"):
        tuned_thresholds(labels, probabilities, ThresholdRule("recall@precision", 0.9))


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.93, 1.0])
def test_shifted_probabilities_give_the_answers_at_the_threshold(
    rare: tuple[np.ndarray, np.ndarray], threshold: float
) -> None:
    """After the shift 0.5 decides as the threshold did, and the order of images is the same."""
    _, probabilities = rare
    given = np.concatenate([probabilities, np.array([[threshold], [0.0], [1.0]], np.float32)])
    moved = at_half(given, np.array([float(np.float32(threshold))]))
    np.testing.assert_array_equal(moved >= 0.5, given >= np.float32(threshold))
    order = np.argsort(given[:, 0], kind="stable")
    assert (np.diff(moved[order, 0]) >= 0).all()
    assert moved.min() >= 0
    assert moved.max() <= 1


def test_a_curve_has_a_point_for_each_distinct_probability() -> None:
    """Equal probabilities are one step; the lowest threshold accepts everything."""
    curve = threshold_curve(np.array([1, 0, 1, 0]), np.array([0.8, 0.8, 0.4, 0.2], np.float32))
    assert curve.thresholds == pytest.approx([0.6, 0.3, 0.1])
    assert curve.precision == pytest.approx([1 / 2, 2 / 3, 1 / 2])
    assert curve.recall == pytest.approx([1 / 2, 1, 1])
    assert curve.specificity == pytest.approx([1 / 2, 1 / 2, 0])
    assert curve.f1 == pytest.approx([1 / 2, 0.8, 2 / 3])
