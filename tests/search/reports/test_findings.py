"""The gain of a search, with its interval, and what more trials can be expected to bring."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pretend_study import Bench, train

from apertune.search.evaluation.direction import Direction
from apertune.search.evaluation.metrics import METRICS
from apertune.search.evaluation.standing import Standing, stand
from apertune.search.reports.findings import expected_best, find, gain_of_doubling
from apertune.search.results import StudyResult, read_study
from apertune.search.settings import make_home


def answered(shares: dict[int, float], images: int = 400) -> Standing:
    """Judges trials that answer so large a share of the images rightly."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, images)
    probabilities = {}
    for number, share in shares.items():
        right = np.arange(images) < share * images
        given = np.where(right, labels, (labels + 1) % 3)
        probabilities[number] = np.eye(3, dtype=np.float32)[given] * 0.8 + 0.1
    return stand("multiclass", METRICS["accuracy"], labels, probabilities, dict.fromkeys(shares, 10))


@pytest.fixture
def study(tmp_path: Path) -> StudyResult:
    bench = Bench(tmp_path)
    bench.study.enqueue([{"rate": 0.9}], "the portfolio")
    bench.run(train, 12)
    return read_study(make_home({}, root=tmp_path / "home", storage=bench.url), "s")


def with_values(study: StudyResult, values: dict[int, float]) -> StudyResult:
    return replace(study, trials=tuple(replace(trial, value=values.get(trial.number, 0.1)) for trial in study.trials))


def test_the_gain_over_the_defaults_and_the_portfolio_is_told(study: StudyResult) -> None:
    """The best is compared with trial 0 and with the portfolio's first, each with an interval."""
    shares = {0: 0.7, 1: 0.75, 5: 0.9}
    found = find(with_values(study, shares), answered(shares))
    assert found is not None
    text = "\n".join(found.lines())
    assert "The best beats trial 0, the defaults, by 0.2000 in accuracy (95 % interval 0.1" in text
    assert "The best beats trial 1, the portfolio's first, by 0.1500 in accuracy" in text
    assert "luck" not in text
    document = found.to_dict()
    assert document["over_defaults"]["gain"] == pytest.approx(0.2)  # type: ignore[index]  # a dictionary
    assert document["best"] == 5


def test_a_small_gain_may_be_luck(study: StudyResult) -> None:
    """An interval that holds 0 is told as such."""
    shares = {0: 0.7, 5: 0.7025}
    found = find(with_values(study, shares), answered(shares))
    assert found is not None
    assert "which may be luck" in found.lines()[0]


def test_defaults_that_nothing_beats_are_named(study: StudyResult) -> None:
    """A trial 0 that is the best is named as such, with no gain over itself."""
    shares = {0: 0.9, 5: 0.7}
    found = find(with_values(study, shares), answered(shares))
    assert found is not None
    assert found.lines()[0] == "Trial 0, the defaults, is the best: no other configuration beat it."
    assert "over_defaults" not in found.to_dict()


def test_without_a_standing_no_gain_is_told(study: StudyResult) -> None:
    """A gain without an interval says too little."""
    found = find(with_values(study, {0: 0.7, 5: 0.9}), None)
    assert found is not None
    assert not found.gains


def test_origins_are_kept_with_the_trials(study: StudyResult) -> None:
    """Each trial knows whether it came from the defaults, the portfolio or elsewhere."""
    assert [trial.origin for trial in study.trials[:2]] == ["the defaults", "the portfolio"]
    assert study.trials[2].origin not in ("the defaults", "the portfolio")


def test_the_expected_best_is_that_of_draws_without_replacement() -> None:
    """It is the mean for one trial, the best for all, and for two what all pairs have."""
    values = [0.3, 0.1, 0.4, 0.2]
    pairs = [max(one, other) for place, one in enumerate(values) for other in values[place + 1 :]]
    assert expected_best(values, Direction.MAXIMIZE) == pytest.approx(
        [0.25, float(np.mean(pairs)), expected_best(values, Direction.MAXIMIZE)[2], 0.4]
    )
    assert expected_best(values, Direction.MINIMIZE)[-1] == pytest.approx(0.1)
    assert np.all(np.diff(expected_best(values, Direction.MAXIMIZE)) > 0)


def test_many_trials_have_the_expected_best_of_the_formula() -> None:
    """Large binomials are never computed, and the chances stay those of C(place, drawn - 1) / C(count, drawn)."""
    values = [float(value) for value in np.random.default_rng(1).normal(0.5, 0.1, 60)]
    ordered = sorted(values)
    formula = [
        sum(math.comb(place, drawn - 1) / math.comb(60, drawn) * ordered[place] for place in range(60))
        for drawn in range(1, 61)
    ]
    assert expected_best(values, Direction.MAXIMIZE) == pytest.approx(formula, abs=1e-12)
    assert expected_best([0.5] * 5000, Direction.MINIMIZE) == pytest.approx([0.5] * 5000)


def test_a_doubling_brings_what_the_curve_says() -> None:
    """Trials spread widely promise more than trials at a ceiling; a few trials promise nothing."""
    random = np.random.default_rng(0)
    wide = [float(value) for value in random.normal(0.5, 0.1, 30)]
    flat = [min(value, 0.5) for value in wide]
    assert gain_of_doubling(wide[:7], Direction.MAXIMIZE) is None
    gain = gain_of_doubling(wide, Direction.MAXIMIZE)
    least = gain_of_doubling(flat, Direction.MAXIMIZE)
    assert gain is not None
    assert least is not None
    assert 0.01 < gain < 0.08
    assert least < gain / 2
    assert gain_of_doubling([-value for value in wide], Direction.MINIMIZE) == pytest.approx(gain)
