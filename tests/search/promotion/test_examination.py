"""Models with values or answers that are not finite are never promoted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from apertune.errors import ApertuneError, StudyError
from apertune.search.evaluation.direction import Direction
from apertune.search.promotion import PromotionSettings, examination
from apertune.search.promotion.source import complete_trials
from apertune.search.results import StudyResult
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.trial_records import TrialRecord
from apertune.spaces.search_space.parameters import SearchSpace

from .conftest import Studies


def study(direction: str, *values: float) -> StudyResult:
    """Returns a study whose trials completed with these values."""
    definition = StudyDefinition("d", "nowhere", "multiclass", "ab", "s", SearchSpace(()).to_json(), "x", direction, 1)  # type: ignore[arg-type]  # given by the tests
    trials = tuple(TrialRecord(number, "complete", value, {}) for number, value in enumerate(values))
    return StudyResult("s", definition, trials, {}, None, len(values), 0.0, "")


@pytest.mark.parametrize(
    ("direction", "values", "chosen"),
    [
        (Direction.MAXIMIZE, (0.5, math.inf, 0.9, math.nan), [2, 0]),
        (Direction.MINIMIZE, (0.5, -math.inf, 0.3, math.nan), [2, 0]),
        (Direction.MAXIMIZE, (0.0, -1.0), [0, 1]),
        (Direction.MAXIMIZE, (0.5, math.nan, 0.9), [2, 0]),
        (Direction.MINIMIZE, (0.5, math.nan, 0.3), [2, 0]),
    ],
)
def test_a_value_that_is_not_finite_is_passed_over(
    direction: str, values: tuple[float, ...], chosen: list[int]
) -> None:
    """Trials whose objective is infinite or NaN are no candidates, however good the value looks."""
    assert [trial.number for trial in complete_trials(study(direction, *values))] == chosen


def test_without_a_finite_value_there_is_nothing_to_promote() -> None:
    """A study with only such trials counts as one without complete trials."""
    with pytest.raises(StudyError, match="study 's' has no complete trial yet; go on with apertune search"):
        complete_trials(study(Direction.MAXIMIZE, math.nan, math.inf))


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_model_whose_answers_are_not_finite_is_not_promoted(
    studies: Studies, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    """One test image without a finite answer is enough: one line, and the registry stays as it was, even by force."""
    answer = examination._answers

    def broken(*given: object) -> np.ndarray:
        answers = np.array(answer(*given))  # type: ignore[arg-type]  # handed on
        answers[-1, 0] = wrong
        return answers

    monkeypatch.setattr(examination, "_answers", broken)
    before = studies.registry.aliases()
    with pytest.raises(ApertuneError, match="answers some test images with numbers that are not finite; it is not pro"):
        studies.promote(PromotionSettings(study="weak", seeds=1, force=True))
    assert studies.registry.aliases() == before
