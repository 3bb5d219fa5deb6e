"""Chosen trials side by side, and whether their differences are real."""

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
    """Two trials on the same validation rows.

    difference: the second's objective minus the first's; low, high: its 95 % paired bootstrap interval.
    p_value: of `test`; adjusted: by Holm's method for all pairs compared at once.
    """

    first: int
    second: int
    test: Literal["McNemar", "paired bootstrap"]
    difference: float
    low: float
    high: float
    p_value: float
    adjusted: float

    @property
    def real(self) -> bool:
        """Whether so large a difference would be rare between equals; False when undefined."""
        return self.adjusted < SIGNIFICANT


@dataclass(frozen=True)
class ParameterRow:
    """One parameter over the trials compared; None where a trial does not have it."""

    name: str
    values: tuple[object, ...]
    differs: bool


def parameter_rows(configurations: Sequence[Mapping[str, object]]) -> list[ParameterRow]:
    """One row a parameter, those that differ first."""
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
    """Every pair of trials: McNemar's test on their answers, the paired bootstrap of the objective for multilabel.

    probabilities: by trial number, of the same rows in the same order. The interval is of the objective in any case.
    Raises UnknownNameError when the task has no such metric.
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
