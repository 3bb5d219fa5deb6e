"""Comparison of chosen trials: the parameters that differ, and tests that tell real differences from chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ...datasets.base import Labels, Task
from .decisions import Probabilities
from .metrics import resolve_objective
from .significance import (
    RESAMPLES,
    SIGNIFICANT,
    TestName,
    corrected_resampled_t,
    difference,
    holm,
    mcnemar,
    paired_test,
    resampled_scores,
    smallest_difference,
)


@dataclass(frozen=True)
class PairComparison:
    """Two trials on the same validation rows, or on the same folds and repeats."""

    first: int
    """Place of the first trial among those compared, or its number."""
    second: int
    """Place or number of the second trial."""
    test: TestName
    """The test of the objective that gave the p-value."""
    difference: float
    """The second trial's objective minus the first's."""
    low: float
    """The lower end of the difference's 95 % interval."""
    high: float
    """The upper end of that interval."""
    p_value: float
    """The p-value of the test."""
    adjusted: float
    """The p-value adjusted by Holm's method for all pairs compared at once."""
    smallest: float
    """The smallest true difference that such a test of as many pairs finds in at least 4 of 5 samples."""
    accuracy_p_value: float | None = None
    """McNemar's p-value on the right answers; None for several labels, and where rounds are compared."""

    @property
    def real(self) -> bool:
        """Returns whether so large a difference would be rare between equals; False if that is undefined."""
        return self.adjusted < SIGNIFICANT


@dataclass(frozen=True)
class ParameterRow:
    """One parameter over the trials compared."""

    name: str
    """The parameter's name."""
    values: tuple[object, ...]
    """The value in each trial; None where a trial does not have it."""
    differs: bool
    """True if any value is not the first trial's."""


def parameter_rows(configurations: Sequence[Mapping[str, object]]) -> list[ParameterRow]:
    """Returns one row per parameter, those that differ first."""
    names = dict.fromkeys(name for configuration in configurations for name in configuration)
    rows = []
    for name in names:
        values = tuple(configuration.get(name) for configuration in configurations)
        rows.append(ParameterRow(name, values, differs=any(value != values[0] for value in values)))
    return sorted(rows, key=lambda row: not row.differs)


def compare_pairs(
    task: Task,
    objective: str,
    labels: Labels,
    probabilities: Mapping[int, Probabilities],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> list[PairComparison]:
    """Compares every pair of trials by a paired test of the objective itself, image by image.

    Args:
        task: The data set's task.
        objective: Name of the metric.
        labels: Labels of the rows.
        probabilities: Probabilities of the same rows in the same order, by trial number.
        seed: Seed of the test and of the bootstrap.
        resamples: Number of resamples of the bootstrap that gives the intervals.

    Raises:
        UnknownNameError: The task has no such metric.
    """
    metric = resolve_objective(objective, task)
    numbers = list(probabilities)
    given = [probabilities[number] for number in numbers]
    drawn = dict(zip(numbers, resampled_scores(metric, labels, given, seed=seed, resamples=resamples), strict=True))
    whole = {number: metric.score(labels, probabilities[number]) for number in numbers}
    pairs = list(combinations(numbers, 2))
    level = SIGNIFICANT / max(1, len(pairs))
    tests = [paired_test(metric, labels, probabilities[a], probabilities[b], seed=seed, level=level) for a, b in pairs]
    compared = []
    for (a, b), (test, p_value), adjusted in zip(pairs, tests, holm([p for _, p in tests]), strict=True):
        gap = difference(drawn[a], drawn[b], whole[a], whole[b])
        on_answers = None if task == "multilabel" else mcnemar(labels, probabilities[a], probabilities[b]).p_value
        smallest = smallest_difference(gap.spread, level=level)
        compared.append(
            PairComparison(a, b, test, gap.value, gap.low, gap.high, p_value, adjusted, smallest, on_answers)
        )
    return compared


def compare_rounds(values: Mapping[int, Sequence[float]], share: float) -> list[PairComparison]:
    """Compares every pair of trials by their differences round by round, over all folds and repeats.

    Args:
        values: The objective per round, by trial number; every trial has the same rounds.
        share: Validation images per training image of a round; 1 / (folds - 1) for folds.
    """
    pairs = list(combinations(values, 2))
    level = SIGNIFICANT / max(1, len(pairs))
    tests = [corrected_resampled_t(values[a], values[b], share) for a, b in pairs]
    adjusted = holm([test.p_value for test in tests])
    return [
        PairComparison(
            a,
            b,
            "corrected resampled t",
            test.value,
            test.low,
            test.high,
            test.p_value,
            corrected,
            smallest_difference(test.spread, level=level) if not math.isnan(test.spread) else math.nan,
        )
        for (a, b), test, corrected in zip(pairs, tests, adjusted, strict=True)
    ]
