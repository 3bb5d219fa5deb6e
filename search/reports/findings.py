"""The gain of a search: by how much its best beats where it began, and what more trials can be expected to bring.

The expected best of n trials is that of n drawn without replacement from those that ended, and is carried on by a line
over the logarithm of n. Source: Dodge et al., "Show Your Work", EMNLP 2019; it takes trials as alike, so a search that
learns may do better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..evaluation.direction import Direction
from ..evaluation.significance import Interval
from ..evaluation.standing import Standing
from ..results import StudyResult
from ..studies.trial_records import DEFAULTS, PORTFOLIO, TrialRecord

# Fewer ended trials say nothing of what more would bring.
LEAST_TRIALS = 8


@dataclass(frozen=True)
class Findings:
    """The gain of one study's search."""

    objective: str
    best: int
    """The best trial."""
    gains: dict[str, tuple[int, Interval]]
    """By how much it beats the first trial of an origin, with that trial's number; none for the best trial itself."""
    best_origin: str
    """The origin of the best trial."""
    trials: int
    """Trials that ended with a value."""
    doubling: float | None
    """The gain to expect from as many trials again; None with too few trials to tell."""

    def lines(self) -> list[str]:
        """Returns the findings, a sentence per line."""
        return [*self.gain_lines(), *filter(None, [self.doubling_line()])]

    def gain_lines(self) -> list[str]:
        """Returns the gains over where the search began, a sentence per line."""
        lines = []
        if self.best_origin == DEFAULTS:
            lines.append(f"Trial {self.best}, {DEFAULTS}, is the best: no other configuration beat it.")
        for origin, (number, gain) in self.gains.items():
            sure = "" if gain.low > 0 else ", which may be luck"
            lines.append(
                f"The best beats trial {number}, {_called(origin)}, by {gain.value:.4f} in {self.objective} "
                f"(95 % interval {gain.low:.4f} to {gain.high:.4f}{sure})."
            )
        return lines

    def doubling_line(self) -> str:
        """Returns a sentence on the gain to expect from more trials; empty with too few to tell."""
        if self.doubling is None:
            return ""
        return (
            f"As many trials again can be expected to bring {self.doubling:.4f} more, by the best of 1 to "
            f"{self.trials} of these trials."
        )

    def to_dict(self) -> dict[str, object]:
        """Returns the findings, ready for JSON."""
        names = {DEFAULTS: "over_defaults", PORTFOLIO: "over_portfolio"}
        gains = {
            names[origin]: {"trial": number, "gain": gain.value, "low": gain.low, "high": gain.high}
            for origin, (number, gain) in self.gains.items()
        }
        return {"best": self.best, "best_origin": self.best_origin, **gains, "doubling": self.doubling}


def _called(origin: str) -> str:
    return "the portfolio's first" if origin == PORTFOLIO else origin


def find(study: StudyResult, standing: Standing | None) -> Findings | None:
    """Returns what a study's search found; None while no trial is complete.

    Args:
        study: The study.
        standing: Its complete trials judged together; without it no gain has an interval, and none is told.
    """
    complete = study.complete()
    if not complete:
        return None
    best = complete[0]
    gains: dict[str, tuple[int, Interval]] = {}
    if standing is not None and standing.best == best.number:
        for origin in (DEFAULTS, PORTFOLIO):
            first = _first(complete, origin)
            if first is not None and first.number in standing.ahead:
                gains[origin] = first.number, standing.ahead[first.number]
    values = [trial.value for trial in study.trials if trial.state in ("complete", "pruned") and _is_finite(trial)]
    return Findings(
        objective=study.definition.objective,
        best=best.number,
        gains=gains,
        best_origin=best.origin,
        trials=len(values),
        doubling=gain_of_doubling([value for value in values if value is not None], study.definition.direction),
    )


def _first(complete: Sequence[TrialRecord], origin: str) -> TrialRecord | None:
    return min((trial for trial in complete if trial.origin == origin), key=lambda trial: trial.number, default=None)


def _is_finite(trial: TrialRecord) -> bool:
    return trial.value is not None and math.isfinite(trial.value)


def gain_of_doubling(values: Sequence[float], direction: Direction) -> float | None:
    """Returns the gain to expect from twice as many trials, in the objective's unit, at least 0.

    Args:
        values: The objective of each ended trial.
        direction: Its direction.

    Returns:
        The gain; None with fewer than `LEAST_TRIALS` values.
    """
    if len(values) < LEAST_TRIALS:
        return None
    expected = expected_best(values, direction)
    counts = np.arange(1, len(values) + 1)
    later = counts >= len(values) // 4
    sign = 1.0 if direction is Direction.MAXIMIZE else -1.0
    slope, _ = np.polyfit(np.log2(counts[later]), sign * expected[later], 1)
    return max(0.0, float(slope))


def expected_best(values: Sequence[float], direction: Direction) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Returns the expected best of 1 to n trials drawn without replacement from n, float64 (n,)."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if direction is Direction.MINIMIZE:
        ordered = ordered[::-1]
    count = len(ordered)
    places = np.arange(count)
    # The chance that the one in each place, from 0, is the best of those drawn: C(place, drawn - 1) / C(count, drawn).
    chances = np.full(count, 1.0 / count)
    expected = np.empty(count)
    for drawn in range(1, count + 1):
        expected[drawn - 1] = float(chances @ ordered)
        chances *= (places - drawn + 1) / drawn * (drawn + 1) / max(1, count - drawn)
    return expected
