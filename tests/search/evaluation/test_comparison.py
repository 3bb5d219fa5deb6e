from __future__ import annotations

import numpy as np
import pytest

from apertune.errors import UnknownNameError
from apertune.search.evaluation.comparison import compare_pairs, compare_rounds, parameter_rows
from apertune.search.evaluation.significance import mcnemar


def test_differing_parameters_come_first():
    """Rows that differ come before those that are alike, and a parameter that a trial lacks differs."""
    rows = parameter_rows([{"batch": 32, "rate": 0.1}, {"batch": 32, "rate": 0.2, "momentum": 0.9}])
    assert [(row.name, row.values, row.differs) for row in rows] == [
        ("rate", (0.1, 0.2), True),
        ("momentum", (None, 0.9), True),
        ("batch", (32, 32), False),
    ]


def test_trials_are_compared_by_their_objective():
    """Every pair gets a test of the objective, Holm's correction and an interval, and McNemar's test beside it."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300, dtype=np.int32)
    truth = np.eye(3)[labels]
    strengths = {3: 0.2, 7: 0.2, 12: 2.0}
    probabilities = {
        number: random.dirichlet(np.ones(3), 300).astype(np.float32) * 0.5 + (strength * truth).astype(np.float32)
        for number, strength in strengths.items()
    }
    pairs = compare_pairs("multiclass", "macro_f1", labels, probabilities, seed=0, resamples=100)
    assert [(pair.first, pair.second, pair.test) for pair in pairs] == [
        (3, 7, "paired permutation"), (3, 12, "paired permutation"), (7, 12, "paired permutation"),
    ]  # fmt: skip
    assert [pair.real for pair in pairs] == [False, True, True]
    assert pairs[0].accuracy_p_value == mcnemar(labels, probabilities[3], probabilities[7]).p_value
    assert pairs[1].low > 0
    assert all(pair.adjusted >= pair.p_value for pair in pairs)
    assert all(0 < pair.smallest < 0.5 for pair in pairs)


def test_a_difference_that_accuracy_does_not_show_is_real():
    """A rare class that only one of two trials finds makes macro F1 differ for real, at equal accuracy."""
    labels = np.array([0] * 160 + [1] * 40, np.int32)
    blind = np.tile(np.array([0.9, 0.1], np.float32), (200, 1))
    finds = blind.copy()
    finds[:40] = finds[160:] = [0.1, 0.9]
    third = np.zeros((200, 1), np.float32)
    answers = {0: np.hstack([blind, third]), 1: np.hstack([finds, third])}
    (pair,) = compare_pairs("multiclass", "macro_f1", labels, answers, seed=0, resamples=100)
    assert pair.accuracy_p_value == 1
    assert pair.real
    assert pair.difference > 0.2


def test_five_trials_can_differ():
    """Ten pairs of five clearly different trials are all real: the correction for ten tests leaves room for that."""
    random = np.random.default_rng(0)
    labels = (random.random(800) < 0.5).astype(np.int32)
    answers = {
        number: (random.random((800, 1)) + number * labels[:, None]).astype(np.float32) / 6 for number in range(5)
    }
    answers = {number: given + random.random((800, 1), np.float32) / 60 for number, given in answers.items()}
    answers[4] = (labels[:, None] * 0.9 + 0.05).astype(np.float32)
    pairs = compare_pairs("binary", "log_loss", labels, answers, seed=0, resamples=50)
    assert len(pairs) == 10
    assert all(pair.real for pair in pairs)


def test_multilabel_trials_are_compared_by_their_objective():
    """Multilabel trials are tested by the objective, and equal ones do not differ."""
    random = np.random.default_rng(0)
    labels = (random.random((120, 4)) < 0.3).astype(np.uint8)
    weak = random.random((120, 4), dtype=np.float32)
    strong = (0.5 * weak + 0.5 * labels).astype(np.float32)
    better, same = (
        compare_pairs("multilabel", "map", labels, {1: weak, 2: other}, seed=0, resamples=100)[0]
        for other in (strong, weak)
    )
    assert (better.test, better.accuracy_p_value) == ("paired permutation", None)
    assert better.real
    assert better.difference > 0
    assert not same.real


def test_rounds_decide_by_their_differences():
    """Trials of several folds are told apart by all folds, even if each one's spread is larger than the difference."""
    values = {4: [0.50, 0.70, 0.60, 0.80, 0.65], 9: [0.53, 0.74, 0.63, 0.84, 0.68], 11: [0.6, 0.6, 0.7, 0.7, 0.7]}
    pairs = compare_rounds(values, 1 / 4)
    assert [(pair.first, pair.second) for pair in pairs] == [(4, 9), (4, 11), (9, 11)]
    assert [pair.real for pair in pairs] == [True, False, False]
    assert {pair.test for pair in pairs} == {"corrected resampled t"}


def test_an_objective_of_another_task_is_refused():
    """The objective must be one of the task's metrics."""
    with pytest.raises(UnknownNameError, match="multilabel objective"):
        compare_pairs("multilabel", "roc_auc", np.zeros((2, 2), np.uint8), {}, seed=0)
