"""Chosen trials side by side, with tests of whether their differences are real."""

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
    """Two trials, by number, on the same validation rows."""

    first: int
    second: int
    test: Literal["McNemar", "paired bootstrap"]
    difference: float
    """The second trial's objective minus the first one's."""
    low: float
    """Lower end of the difference's 95 % paired bootstrap interval."""
    high: float
    """Upper end of the same interval."""
    p_value: float
    """P-value of `test`, on its own."""
    adjusted: float
    """The same p-value, adjusted by Holm's method for all pairs compared at once."""

    @property
    def real(self) -> bool:
        """Says whether a difference this large would be rare between equal models; False when it is undefined."""
        return self.adjusted < SIGNIFICANT


@dataclass(frozen=True)
class ParameterRow:
    """One parameter over the trials compared."""

    name: str
    values: tuple[object, ...]
    """One value per trial; None where a trial does not have the parameter."""
    differs: bool


def parameter_rows(configurations: Sequence[Mapping[str, object]]) -> list[ParameterRow]:
    """Returns one row per parameter, parameters that differ first."""
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
    """Compares every pair of trials.

    The test is McNemar's on the trials' answers, or for multilabel tasks the paired bootstrap of the objective. The
    interval is always that of the objective.

    Args:
        task: decides on the test.
        objective: name of the metric that is compared.
        labels: of the validation rows.
        probabilities: by trial number, for the same rows in the same order.
        seed: decides which rows are drawn.
        resamples: number of bootstrap draws.

    Raises:
        UnknownNameError: the task has no metric of that name.
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
