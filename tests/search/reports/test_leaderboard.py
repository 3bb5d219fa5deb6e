from __future__ import annotations

import math
import re

from apertune.search.evaluation.significance import Interval
from apertune.search.evaluation.standing import Standing
from apertune.search.reports.leaderboard import MOST_TRIALS, leaderboard
from apertune.search.studies.trial_records import TrialRecord


def standing(intervals: dict[int, Interval]) -> Standing:
    return Standing(
        best=2, value=0.75, images=100, trials=4, intervals=intervals, corrected=None, flattered=False, tied=(0,),
        smallest=2, parameters=0,
        weak={3: "gives the same answer to every image", 1: "is no better than class frequencies"},
    )  # fmt: skip


TRIALS = [TrialRecord(number, "complete", value, {}) for number, value in ((2, 0.75), (0, 0.7), (1, 0.5), (3, 0.1))]


def test_intervals_are_drawn_on_one_scale() -> None:
    """The lowest end of all is at the left, the highest at the right, and each value within its interval."""
    intervals = {
        2: Interval(0.75, 0.7, 0.8, 0.95),
        1: Interval(0.5, 0.4, 0.6, 0.95),
        0: Interval(0.7, math.nan, 1, 0.95),
    }
    places = leaderboard(TRIALS, standing(intervals))
    assert [place.standing for place in places] == [
        "best",
        "may be as good",
        "no better than chance",
        "gives one answer",
    ]
    (start, width), (low_start, _) = (
        map(float, re.findall(r'x="([\d.]+)" y="4" width="([\d.]+)"', places[place].drawing)[0]) for place in (0, 2)
    )
    assert (low_start, round(start + width)) == (2.0, 98)
    assert places[1].drawing == places[3].drawing == ""


def test_without_a_standing_there_are_only_values() -> None:
    """Trials that cannot be judged together are listed without intervals and relations, and no more than fit."""
    places = leaderboard(TRIALS * 3, None)
    assert len(places) == MOST_TRIALS
    assert {(place.drawing, place.standing, place.interval) for place in places} == {("", "", None)}


def test_one_certain_value_has_a_place() -> None:
    """An interval of no width, where low and high ends of the scale are one, is drawn in the middle."""
    assert leaderboard([TrialRecord(5, "complete", 0.2, {})], standing({}))[0].standing == "behind the best"
    (place,) = leaderboard(TRIALS[:1], standing({2: Interval(1.0, 1.0, 1.0, 0.95)}))
    assert 'x="50.0" y="4" width="0.5"' in place.drawing
