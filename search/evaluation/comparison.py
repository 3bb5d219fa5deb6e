"""Comparison of chosen trials: the parameters that differ, and tests that tell real differences from chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from ...datasets.base import Labels, Task
from .decisions import Probabilities
from .metrics import resolve_objective
from .significance import RESAMPLES, difference, holm, mcnemar, resampled_scores

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class PairComparison:
    """Two trials on the same validation rows."""

    first: int
    """Number of the first trial."""
    second: int
    """Number of the second trial."""
    test: Literal["McNemar", "paired bootstrap"]
    """The test that gave the p-value."""
    difference: float
    """The second trial's objective minus the first's."""
    low: float
    """The lower end of the difference's 95 % paired bootstrap interval."""
    high: float
    """The upper end of that interval."""
    p_value: float
    """The p-value of the test."""
    adjusted: float
    """The p-value adjusted by Holm's method for all pairs compared at once."""

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
    """Compares every pair of trials by McNemar's test on their answers; for multilabel, by the paired bootstrap.

    The difference and its interval are the objective's in either case.

    Args:
        task: The data set's task.
        objective: Name of the metric.
        labels: Labels of the rows.
        probabilities: Probabilities of the same rows in the same order, by trial number.
        seed: Seed of the bootstrap.
        resamples: Number of resamples of the bootstrap.

    Raises:
        UnknownNameError: The task has no such metric.
    """
    metric = resolve_objective(objective, task)
    numbers = list(probabilities)
    drawn = dict(
        zip(
            numbers,
            resampled_scores(metric, labels, [probabilities[n] for n in numbers], seed=seed, resamples=resamples),
            strict=True,
        )
    )
    whole = {number: metric.score(labels, probabilities[number]) for number in numbers}
    pairs = list(combinations(numbers, 2))
    gaps = [difference(drawn[a], drawn[b], whole[a], whole[b]) for a, b in pairs]
    if task == "multilabel":
        p_values = [gap.p_value for gap in gaps]
    else:
        p_values = [mcnemar(labels, probabilities[a], probabilities[b]).p_value for a, b in pairs]
    test: Literal["McNemar", "paired bootstrap"] = "paired bootstrap" if task == "multilabel" else "McNemar"
    return [
        PairComparison(a, b, test, gap.value, gap.low, gap.high, p_value, adjusted)
        for (a, b), gap, p_value, adjusted in zip(pairs, gaps, p_values, holm(p_values), strict=True)
    ]
