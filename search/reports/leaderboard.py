"""The leaderboard of a report: the best trials with their intervals drawn on one scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...page_style import ACCENT, INK, LINE

if TYPE_CHECKING:
    from ..evaluation.significance import Interval
    from ..evaluation.standing import Standing
    from ..studies.trial_records import TrialRecord

MOST_TRIALS = 8


@dataclass(frozen=True)
class Place:
    """One trial among the best."""

    trial: TrialRecord
    """The trial."""
    interval: Interval | None
    """The 95 % interval of its objective, if it is known."""
    drawing: str
    """That interval as an SVG element, on the scale of all; empty without one."""
    standing: str
    """Its relation to the best trial, in words."""


def leaderboard(complete: Sequence[TrialRecord], standing: Standing | None) -> list[Place]:
    """Returns the best trials in order.

    Args:
        complete: The complete trials, best first.
        standing: The trials judged together, if they are.
    """
    shown = complete[:MOST_TRIALS]
    intervals = standing.intervals if standing else {}
    low, high = _scale(shown, intervals)
    return [
        Place(
            trial,
            intervals.get(trial.number),
            _drawing(intervals.get(trial.number), trial.value, low, high),
            _relation(trial.number, standing),
        )
        for trial in shown
    ]


def _scale(shown: Sequence[TrialRecord], intervals: Mapping[int, Interval]) -> tuple[float, float]:
    """Returns the ends that hold all intervals."""
    known = [intervals[trial.number] for trial in shown if _is_whole(intervals.get(trial.number))]
    return (min(each.low for each in known), max(each.high for each in known)) if known else (0.0, 1.0)


def _is_whole(interval: Interval | None) -> bool:
    return interval is not None and math.isfinite(interval.low) and math.isfinite(interval.high)


def _drawing(interval: Interval | None, value: float | None, low: float, high: float) -> str:
    if interval is None or value is None or not _is_whole(interval):
        return ""

    def place(number: float) -> float:
        return 50.0 if low == high else 2 + 96 * min(1.0, max(0.0, (number - low) / (high - low)))

    start, end, middle = place(interval.low), place(interval.high), place(value)
    return (
        '<svg class="interval" viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect x="0" y="6.5" width="100" height="1" fill="{LINE}"/>'
        f'<rect x="{start:.1f}" y="4" width="{max(0.5, end - start):.1f}" height="6" fill="{ACCENT}" opacity="0.45"/>'
        f'<rect x="{middle - 0.6:.1f}" y="1" width="1.2" height="12" fill="{INK}"/></svg>'
    )


def _relation(number: int, standing: Standing | None) -> str:
    if standing is None:
        return ""
    if number in standing.weak:
        return "no better than chance" if "better" in standing.weak[number] else "gives one answer"
    if number == standing.best:
        return "best"
    return "may be as good" if number in standing.tied else "behind the best"
