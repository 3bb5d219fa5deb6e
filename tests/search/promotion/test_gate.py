"""The gate: a better challenger passes, an equal or a worse one does not."""

from __future__ import annotations

import numpy as np
import pytest

from apertune.search.evaluation.metrics import METRICS
from apertune.search.promotion.gate import contest, judge
from apertune.search.promotion.opening import level_after

LABELS = np.random.default_rng(1).integers(0, 4, 400).astype(np.int32)


def answers(right: float, seed: int) -> np.ndarray:
    """Returns probabilities of a model that answers this share of `LABELS` correctly."""
    random = np.random.default_rng(seed)
    wrong = (LABELS + random.integers(1, 4, len(LABELS))) % 4
    answered = np.where(random.random(len(LABELS)) < right, LABELS, wrong)
    return np.where(np.arange(4) == answered[:, None], 0.7, 0.1).astype(np.float32)


@pytest.mark.parametrize(("metric", "test"), [("accuracy", "McNemar"), ("macro_f1", "paired permutation")])
@pytest.mark.parametrize(("challenger", "promoted"), [(0.9, True), (0.7, False), (0.4, False)])
def test_only_a_real_improvement_is_promoted(metric: str, test: str, challenger: float, promoted: bool) -> None:
    """A better challenger beats the champion of 0.7; an equal and a worse one do not, and the reason says so."""
    result = contest(METRICS[metric], LABELS, answers(challenger, 2), answers(0.7, 3), "the champion", resamples=200)
    verdict = judge([result], {}, {})
    assert result.test == test
    assert verdict.promoted is promoted
    assert verdict.reason.startswith("really better" if promoted else "not really better")
    assert f"{result.challenger_score:.4f} against {result.opponent_score:.4f} of the champion" in verdict.reason


def test_the_same_answers_are_no_improvement() -> None:
    """A model against itself differs by nothing, with a p-value of 1."""
    result = contest(METRICS["accuracy"], LABELS, answers(0.9, 2), answers(0.9, 2), "itself", resamples=50)
    assert (result.difference, result.p_value, result.better) == (0.0, 1.0, False)


def test_a_lower_loss_is_better() -> None:
    """The smaller value wins for a metric to be minimized."""
    metric = METRICS["log_loss"]
    assert contest(metric, LABELS, answers(0.9, 2), answers(0.6, 3), "the champion", resamples=200).better
    assert not contest(metric, LABELS, answers(0.6, 2), answers(0.9, 3), "the champion", resamples=200).better


def test_a_minimum_holds_even_the_better_back() -> None:
    """A challenger below --min (or above it, for a loss) is not promoted, and the line names score and bound."""
    won = contest(METRICS["accuracy"], LABELS, answers(0.9, 2), answers(0.5, 3), "the champion", resamples=50)
    scores = {"accuracy": 0.9, "log_loss": 0.5}
    assert judge([won], scores, {"accuracy": 0.9, "log_loss": 0.5}).promoted
    low = judge([won], scores, {"accuracy": 0.95})
    assert (low.promoted, low.reason) == (False, "accuracy 0.9000 is below the 0.95 that --min asks for")
    high = judge([won], scores, {"log_loss": 0.4})
    assert (high.promoted, high.reason) == (False, "log_loss 0.5000 is above the 0.4 that --min allows")
    assert not judge([won], {"accuracy": float("nan")}, {"accuracy": 0.1}).promoted


def test_force_promotes_and_names_the_objections() -> None:
    """--force promotes a model that the gate would hold back, and the line keeps the objections."""
    lost = contest(METRICS["accuracy"], LABELS, answers(0.4, 2), answers(0.7, 3), "the champion", resamples=50)
    verdict = judge([lost], {"accuracy": 0.4}, {"accuracy": 0.6}, force=True)
    assert verdict.promoted
    assert verdict.reason.startswith("forced, although accuracy 0.4000 is below")
    assert "not really better" in verdict.reason


def test_a_champion_that_cannot_be_compared_stays() -> None:
    """An obstacle keeps the champion, whatever the other contests say."""
    won = contest(METRICS["accuracy"], LABELS, answers(0.9, 2), answers(0.2, 3), "the baseline", resamples=50)
    verdict = judge([won], {}, {}, obstacles=["version 1, the champion, has other classes"])
    assert (verdict.promoted, verdict.reason) == (False, "version 1, the champion, has other classes")


def test_equal_challengers_do_not_pass_by_trying_often() -> None:
    """No more than one in 20 of 200 series of ten openings by equal challengers makes any of them champion."""
    passed = 0
    for series in range(200):
        champion = answers(0.8, 1000 + series)
        passed += any(
            contest(
                METRICS["accuracy"],
                LABELS,
                answers(0.8, 10_000 * opening + series),
                champion,
                "the champion",
                level=level_after(opening),
                resamples=2,
            ).better
            for opening in range(1, 11)
        )
    assert passed <= 10
