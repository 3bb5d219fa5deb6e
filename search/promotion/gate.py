"""The gate: only a real improvement on the test images makes a model champion."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...datasets.base import Labels
from ..evaluation.decisions import Probabilities
from ..evaluation.direction import Direction
from ..evaluation.metrics import METRICS, Metric
from ..evaluation.significance import RESAMPLES, SIGNIFICANT, TestName, paired_bootstrap, paired_test


@dataclass(frozen=True)
class Contest:
    """The challenger against another model on the same test images."""

    opponent: str
    metric: str
    challenger_score: float
    opponent_score: float
    difference: float
    """The challenger's score minus the opponent's."""

    low: float
    """Lower end of the 95 % paired bootstrap interval of the difference."""

    high: float
    """Upper end of that interval."""

    test: TestName
    p_value: float
    level: float
    """The p-value must be below this."""

    better: bool
    """The challenger's score is the better one, and so large a difference would be rare between equals."""

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.challenger_score:.4f} against {self.opponent_score:.4f} of {self.opponent} "
            f"(difference {self.difference:+.4f}, 95 % interval {self.low:+.4f} to {self.high:+.4f}, "
            f"{self.test}, p = {self.p_value:.3g}, needed below {self.level:.3g})"
        )


@dataclass(frozen=True)
class Verdict:
    """The decision of the gate."""

    promoted: bool
    """The alias `champion` moves to the new model."""

    reason: str


def contest(
    metric: Metric,
    labels: Labels,
    challenger: Probabilities,
    opponent: Probabilities,
    name: str,
    *,
    level: float = SIGNIFICANT,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Contest:
    """Compares the challenger with another model by a paired test of the metric; its p-value must be below `level`."""
    gap = paired_bootstrap(metric, labels, opponent, challenger, seed=seed, resamples=resamples)
    test, p_value = paired_test(metric, labels, opponent, challenger, seed=seed, level=level)
    return Contest(
        opponent=name,
        metric=metric.name,
        challenger_score=gap.second,
        opponent_score=gap.first,
        difference=gap.value,
        low=gap.low,
        high=gap.high,
        test=test,
        p_value=p_value,
        level=level,
        better=bool(metric.better(gap.second, gap.first) and p_value < level),
    )


def judge(
    contests: Sequence[Contest],
    scores: Mapping[str, float],
    minimums: Mapping[str, float],
    *,
    obstacles: Sequence[str] = (),
    force: bool = False,
) -> Verdict:
    """Promotes if every contest is won, every minimum is reached and nothing stands in the way.

    Args:
        contests: The challenger against every other model.
        scores: The challenger's scores on test, by metric.
        minimums: Bounds on those scores, by metric.
        obstacles: Reasons why a model could not be compared.
        force: Promote all the same.
    """
    against = [*obstacles, *_missed(scores, minimums)]
    against += [f"not really better: {lost}" for lost in contests if not lost.better]
    if not against:
        return Verdict(promoted=True, reason=f"really better: {'; '.join(str(won) for won in contests)}")
    if force:
        return Verdict(promoted=True, reason=f"forced, although {'; '.join(against)}")
    return Verdict(promoted=False, reason="; ".join(against))


def _missed(scores: Mapping[str, float], minimums: Mapping[str, float]) -> list[str]:
    missed = []
    for name, bound in minimums.items():
        direction, value = METRICS[name].direction, scores.get(name, math.nan)
        if value != bound and not direction.better(value, bound):
            most = direction is Direction.MINIMIZE
            rule = f"above the {bound:g} that --min allows" if most else f"below the {bound:g} that --min asks for"
            missed.append(f"{name} {value:.4f} is {rule}")
    return missed
