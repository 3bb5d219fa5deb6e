from __future__ import annotations

import numpy as np
import pytest

from apertune.search.evaluation.baselines import baseline_scores


def test_multiclass_baseline_names_the_largest_class():
    """Naming the largest training class scores that class's share of the rows; every score is a number."""
    labels = np.array([0, 0, 1, 2, 2, 2, 2, 2], np.int32)
    scores = baseline_scores("multiclass", labels, [10, 5, 85], 100)
    assert scores["accuracy"] == 5 / 8
    assert scores["balanced_accuracy"] == pytest.approx(1 / 3)
    assert np.isfinite(list(scores.values())).all()


def test_binary_baseline_ranks_nothing():
    """A constant probability has a ROC AUC of one half and the positive share as average precision."""
    labels = np.array([0, 0, 0, 1], np.int32)
    scores = baseline_scores("binary", labels, [60, 40], 100)
    assert scores["roc_auc"] == 0.5
    assert scores["average_precision"] == 0.25
    assert scores["brier_score"] == pytest.approx((3 * 0.4**2 + 0.6**2) / 4)


def test_multilabel_baseline_is_the_share_of_each_class():
    """Label frequencies have the classes' mean share as mAP, and answer yes only to a class in most images."""
    labels = np.array([[1, 0], [1, 1], [1, 0], [0, 0]], np.uint8)
    scores = baseline_scores("multilabel", labels, [70, 30], 100)
    assert scores["map"] == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert scores["macro_recall"] == 0.5
