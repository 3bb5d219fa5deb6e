"""Trials judged together: intervals, ties with the best, the gain from the choice, and useless trials."""

from __future__ import annotations

import numpy as np
import pytest

from apertune.search.evaluation.direction import Direction
from apertune.search.evaluation.metrics import METRICS
from apertune.search.evaluation.standing import Standing, one_answer, stand, stand_by_rounds

ROWS = 300


def answered(labels: np.ndarray, right: float, seed: int) -> np.ndarray:
    """Returns probabilities of a model that answers this share of labels of three classes correctly."""
    random = np.random.default_rng((seed, 99))
    wrong = (labels + random.integers(1, 3, len(labels))) % 3
    given = np.where(random.random(len(labels)) < right, labels, wrong)
    return np.where(np.arange(3) == given[:, None], 0.8, 0.1).astype(np.float32)


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, ROWS).astype(np.int32)


def judged(labels: np.ndarray, shares: list[float], parameters: list[int] | None = None, seed: int = 0) -> Standing:
    answers = {number: answered(labels, share, 100 * seed + number) for number, share in enumerate(shares)}
    sizes = dict(enumerate(parameters or [0] * len(shares)))
    return stand("multiclass", METRICS["accuracy"], labels, answers, sizes)


def test_equal_trials_are_tied_and_their_best_score_is_corrected(labels: np.ndarray) -> None:
    """The best of 20 equal models reads several hundredths too high; corrected, it is near the truth.

    All the others cannot be told from it, and the smallest of them is named.
    """
    standing = judged(labels, [0.8] * 20, [1000 - 10 * number for number in range(20)])
    assert standing.corrected is not None
    others = [judged(labels, [0.8] * 20, seed=seed) for seed in range(1, 6)]
    assert np.mean([each.value for each in others]) > 0.83
    assert np.mean([each.corrected or 0.0 for each in others]) == pytest.approx(0.8, abs=0.012)
    assert len(standing.tied) == 19
    assert (standing.smallest, standing.parameters) == (19, 810)
    assert standing.intervals[standing.best].low < standing.value < standing.intervals[standing.best].high
    first, second = standing.lines("accuracy")
    assert f"accuracy is {standing.corrected:.4f} instead of {standing.value:.4f}" in first
    assert second.startswith("Cannot be told from the best: trials ")
    assert second.endswith("and 9 more. The smallest network among them and the best: trial 19, 810 parameters.")


def test_a_clear_winner_is_alone_and_hardly_corrected(labels: np.ndarray) -> None:
    """A trial far ahead of the others is tied with none, and its score stays, since nothing else is ever chosen."""
    standing = judged(labels, [0.6, 0.95, 0.55], [5, 7, 9])
    assert (standing.best, standing.tied, standing.smallest) == (1, (), 1)
    assert standing.corrected == standing.value
    assert not standing.flattered
    assert standing.lines("accuracy") == []
    assert not standing.weak


def test_one_trial_needs_no_correction(labels: np.ndarray) -> None:
    """Without a choice there is no gain from it."""
    standing = judged(labels, [0.8])
    assert (standing.corrected, standing.tied, standing.lines("accuracy")) == (None, (), [])


def test_useless_trials_are_said_loudly(labels: np.ndarray) -> None:
    """One answer to every image, and chance, are named as such, the best trial's fault first."""
    constant = np.tile(np.array([0.5, 0.3, 0.2], np.float32), (ROWS, 1))
    answers = {3: constant, 5: answered(labels, 1 / 3, 1), 8: answered(labels, 0.9, 2)}
    standing = stand("multiclass", METRICS["macro_f1"], labels, answers, {})
    assert set(standing.weak) == {3, 5}
    assert standing.weak[3].startswith(
        "gives the same answer to every image, and is no better than class frequencies ("
    )
    assert standing.weak[5].startswith("is no better than its own answers given to images at random (macro_f1 0.3")
    assert standing.lines("macro_f1")[0] == ("WARNING: trials 3, 5 give one answer or are no better than chance.")
    alone = stand("multiclass", METRICS["macro_f1"], labels, {3: constant}, {})
    assert alone.lines("macro_f1")[0].startswith("WARNING: the best trial, 3, gives the same answer to every image")


def test_a_binary_ranking_without_a_yes_is_told() -> None:
    """A model that ranks well and says no to every image at 0.5 is not useless: its threshold is."""
    random = np.random.default_rng(0)
    labels = (random.random(200) < 0.3).astype(np.int32)
    low = ((labels[:, None] + random.random((200, 1))) / 6).astype(np.float32)
    standing = stand("binary", METRICS["roc_auc"], labels, {0: low}, {})
    assert standing.weak == {0: "gives the same answer to every image at the threshold 0.5; promote tunes thresholds"}
    assert not one_answer(labels, low, 1 / 6)


def test_rounds_are_judged_by_their_differences() -> None:
    """Over folds the tie is decided fold by fold, the interval is that of the mean, and the choice is corrected."""
    rounds = {2: [0.50, 0.70, 0.60], 4: [0.61, 0.80, 0.71], 6: [0.66, 0.72, 0.74]}
    standing = stand_by_rounds(Direction.MAXIMIZE, rounds, {2: 9, 4: 8, 6: 7}, 0.5, baseline=0.4)
    assert (standing.best, standing.tied, standing.smallest, standing.images) == (4, (6,), 6, 0)
    assert standing.corrected is not None
    assert standing.corrected < standing.value
    assert standing.weak == {
        2: "is not really better than class frequencies (0.4000)",
        4: "is not really better than class frequencies (0.4000)",
    }
    assert "the best on all rounds but one" in standing.lines("accuracy")[2]


def test_a_loss_is_judged_downwards() -> None:
    """With an objective to be made small, the least mean is the best, and the correction raises it."""
    rounds = {0: [0.5, 0.3, 0.4], 1: [0.4, 0.4, 0.3], 2: [0.9, 0.91, 0.81]}
    standing = stand_by_rounds(Direction.MINIMIZE, rounds, {}, 0.5)
    assert standing.best == 1
    assert standing.corrected is not None
    assert standing.corrected > standing.value
    assert 2 not in standing.tied


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_an_undefined_objective_is_judged_without_a_warning(rows: int) -> None:
    """Trials are tied and nothing is promised for an objective without a value, as ROC AUC on images of one class."""
    labels = np.zeros(rows, np.int32)
    answers = {n: np.random.default_rng(n).random((rows, 1), np.float32) for n in range(3)}
    standing = stand("binary", METRICS["roc_auc"], labels, answers, {})
    assert np.isnan(standing.value)
    assert set(standing.tied) == {1, 2}
    assert set(standing.weak) == {0, 1, 2}


@pytest.mark.parametrize("name", ["macro_f1", "map", "expected_calibration_error"])
def test_several_labels_are_judged(name: str) -> None:
    """Trials of several labels per image stand by any of their metrics."""
    random = np.random.default_rng(0)
    labels = (random.random((80, 4)) < 0.4).astype(np.uint8)
    answers = {n: (0.2 * n * labels + 0.3 * random.random((80, 4))).astype(np.float32) for n in range(3)}
    standing = stand("multilabel", METRICS[name], labels, answers, {0: 5, 1: 4, 2: 3})
    assert standing.trials == 3
    assert bool(standing.intervals) == (name != "expected_calibration_error")
