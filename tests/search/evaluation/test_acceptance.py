from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from apertune.search.evaluation.acceptance import MINIMA, acceptance_scores, accepted, accuracy_by_refusal, certainty
from apertune.search.evaluation.thresholds import best_thresholds


@pytest.fixture
def random():
    return np.random.default_rng(3)


def test_multilabel_acceptance_equals_scikit_learn(random):
    """Over the minimum probability, precision, recall and F1 of each class and overall equal scikit-learn's."""
    labels = (random.random((80, 4)) < 0.4).astype(np.uint8)
    probabilities = random.random((80, 4), dtype=np.float32)
    overall, by_class = acceptance_scores(labels, probabilities)
    for place in (0, 30, 50, 80):
        given = probabilities >= np.float32(MINIMA[place])
        for average, scores in (("micro", overall), (None, by_class)):
            expected = sk.precision_recall_fscore_support(labels, given, average=average, zero_division=0)
            found = scores.precision[..., place], scores.recall[..., place], scores.f1[..., place]
            for one, other in zip(found, expected, strict=False):
                assert np.nan_to_num(one) == pytest.approx(other)


def test_refused_answers_count_as_not_found(random):
    """A multiclass answer below the minimum is refused: precision is over the accepted, recall over all rows."""
    labels = random.integers(0, 3, 60, dtype=np.int32)
    probabilities = random.dirichlet(np.ones(3), 60).astype(np.float32)
    overall, by_class = acceptance_scores(labels, probabilities)
    accepted = probabilities.max(axis=1) >= np.float32(0.6)
    right = accepted & (probabilities.argmax(axis=1) == labels)
    assert overall.precision[60] == pytest.approx(right.sum() / accepted.sum())
    assert overall.recall[60] == pytest.approx(right.sum() / 60)
    second = right & (labels == 1)
    assert by_class.recall[1, 60] == pytest.approx(second.sum() / (labels == 1).sum())


def test_precision_of_nothing_is_undefined():
    """Precision is NaN and F1 is 0 where no answer reaches the minimum."""
    overall, _ = acceptance_scores(np.array([0, 1], np.int32), np.array([[0.3], [0.6]], np.float32))
    assert np.isnan(overall.precision[-1])
    assert overall.f1[-1] == 0
    assert overall.precision[0] == 1


def test_certainty_of_two_classes():
    """A binary task's one probability counts as two: the gap and the spread follow from it."""
    answers = certainty(np.array([1, 0], np.int32), np.array([[0.75], [0.875]], np.float32))
    assert answers.best.tolist() == [0.75, 0.875]
    assert answers.gap.tolist() == [0.5, 0.75]
    assert answers.spread.tolist() == [0.25, 0.375]
    assert answers.right.tolist() == [True, False]


def test_refusing_the_least_certain(random):
    """Accuracy by refusal starts at the whole accuracy and ends with the one surest row."""
    labels = random.integers(0, 3, 50, dtype=np.int32)
    answers = certainty(labels, random.dirichlet(np.ones(3), 50).astype(np.float32))
    refused, accuracy = accuracy_by_refusal(answers)
    assert refused[0] == 0
    assert accuracy[0] == pytest.approx(answers.right.mean())
    assert accuracy[-1] == float(answers.right[answers.best.argmax()])
    assert np.all(np.diff(refused) > 0)


def test_best_thresholds_lie_between_probabilities():
    """A tuned threshold separates the probabilities that it should, at the middle of the gap."""
    labels = np.array([[1, 0], [1, 0], [0, 0]], np.uint8)
    probabilities = np.array([[0.5, 0.5], [0.25, 0.5], [0.125, 0.5]], np.float32)
    assert best_thresholds(labels, probabilities).tolist() == [0.1875, 0.5]


def test_a_minimum_probability_tells_coverage_and_accuracy():
    """Three of four images are sure enough, and two of these are right; without any, the accuracy is undefined."""
    labels = np.array([0, 1, 2, 2], np.int32)
    probabilities = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.7, 0.3, 0], [0.4, 0.3, 0.3]], np.float32)
    told = accepted(labels, probabilities, 0.6)
    assert (told.images, told.coverage, told.accuracy) == (4, 0.75, 2 / 3)
    assert told.low < 2 / 3 < told.high
    assert str(told).startswith("At least 0.6 sure, it answers 75.0% of 4 images, and 66.7% of these answers are right")
    none = accepted(labels, probabilities, 0.95)
    assert np.isnan(none.accuracy)
    assert str(none) == "At least 0.95 sure, it answers none of 4 images."


def test_a_minimum_holds_for_the_answer_at_the_threshold():
    """Two classes are answered at the model's threshold, and several labels count one by one."""
    labels = np.array([1, 0], np.int32)
    told = accepted(labels, np.array([[0.4], [0.05]], np.float32), 0.5, [0.3])
    assert (told.coverage, told.accuracy) == (0.5, 1.0)
    many = np.array([[1, 0], [1, 1]], np.uint8)
    told = accepted(many, np.array([[0.9, 0.8], [0.1, 0.2]], np.float32), 0.5, [0.5, 0.7])
    assert (told.coverage, told.accuracy) == (0.5, 0.5)
