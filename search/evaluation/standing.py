"""The standing of a study's trials: intervals, trials that may be as good as the best, and the gain from the choice.

Sources: Varma and Simon, "Bias in error estimation when using cross-validation for model selection" (2006), for the
gain from the choice, here on the answers that trials left, as Tsamardinos, Greasidou and Borboudakis (2018) do with the
bootstrap; that one reads 0.007 too low where trials differ, by `benchmarks/verdicts.py`. The tests are those of
`comparison`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Labels, Task
from ...text import counted
from .baselines import label_frequencies
from .decisions import Floats, Probabilities, answers
from .direction import Direction
from .metrics import Metric
from .significance import (
    SIGNIFICANT,
    Interval,
    corrected_resampled_t,
    holm,
    interval_of,
    paired_test,
    percentiles,
    rounds_interval,
)

# Evaluations of the metric, so that the end of a search waits some seconds and no minute: fewer for larger tables.
MOST_EVALUATIONS, FEWEST_EVALUATIONS = 20_000, 2_000
CELLS = 4e8
MOST_RESAMPLES, FEWEST_RESAMPLES = 1000, 100
# Differences of so many standard errors are real after any correction, and are not tested further.
CLEAR = 6.0
SHUFFLES = 99
PARTS = 5
MOST_REPEATS, FEWEST_REPEATS = 20, 4
MOST_NAMED = 10


_HOW = {
    True: "the best on four fifths of the images is scored on the last fifth, again and again",
    False: "the best on all rounds but one is scored on that one, for each",
}


@dataclass(frozen=True)
class Standing:
    """The complete trials of a study, judged together. Trials go by keys: their numbers, or places in a list."""

    best: int
    """The best trial."""
    value: float
    """Its objective, which was chosen for being the best."""
    images: int
    """Validation images that the trials were judged on; 0 where they were judged by their rounds."""
    trials: int
    """Number of trials judged."""
    intervals: Mapping[int, Interval]
    """The 95 % interval of each trial's objective; empty for a metric that has none."""
    corrected: float | None
    """The best trial's objective without the gain from having been chosen; None with one trial."""
    flattered: bool
    """The corrected objective is worse than the best trial's own by what four digits show."""
    tied: tuple[int, ...]
    """Trials that cannot be told from the best, the best of them first."""
    smallest: int
    """The trial with the smallest network among the best and those tied with it."""
    parameters: int
    """Parameters of that network; 0 if unknown."""
    weak: Mapping[int, str] = field(default_factory=dict)
    """The fault of each trial that is no better than chance or gives one answer, as a sentence's end."""
    ahead: Mapping[int, Interval] = field(default_factory=dict)
    """By how much the best is better than each other trial, with the 95 % interval of the difference."""

    def lines(self, objective: str, names: Mapping[int, str] | None = None) -> list[str]:
        """Returns what a reader should know, a sentence per line; warnings come first.

        Args:
            objective: Name of the objective.
            names: Names of the trials by key, where their numbers do not say which they are.
        """

        def named(key: int) -> str:
            return names[key] if names else str(key)

        lines = []
        if self.best in self.weak:
            lines.append(f"WARNING: the best trial, {named(self.best)}, {self.weak[self.best]}.")
        others = [key for key in self.weak if key != self.best]
        if others:
            each = "gives one answer or is no better than chance"
            several = "give one answer or are no better than chance"
            lines.append(f"WARNING: {_trials([named(key) for key in others])} {each if len(others) == 1 else several}.")
        if self.corrected is not None and self.flattered:
            lines.append(
                f"The best of {counted(self.trials, 'trial')} looks better than it is: without the gain from "
                f"the choice, {objective} is {self.corrected:.4f} instead of {self.value:.4f} "
                f"({_HOW[self.images > 0]})."
            )
        if self.tied:
            tied = _trials([named(key) for key in self.tied])
            line = f"Cannot be told from the best: {tied}."
            if self.parameters:
                called = f"trial {named(self.smallest)}"
                line += f" The smallest network among them and the best: {called}, {self.parameters:,} parameters."
            lines.append(line)
        return lines


def stand(
    task: Task,
    metric: Metric,
    labels: Labels,
    probabilities: Mapping[int, Probabilities],
    parameters: Mapping[int, int],
    *,
    seed: int = 0,
) -> Standing:
    """Judges trials of one training each by their answers to the same validation images.

    Args:
        task: The data set's task.
        metric: The objective.
        labels: Labels of the images.
        probabilities: Each trial's answers to them, finite; at least one trial.
        parameters: Parameters of each trial's network; 0 if unknown.
        seed: Seed of the resampling.
    """
    keys = list(probabilities)
    whole = np.array([metric.score(labels, probabilities[key]) for key in keys])
    best = _best(whole, metric.direction)
    drawn = _draw(task, metric, labels, [probabilities[key] for key in keys], best, seed)
    intervals = {
        key: interval_of(metric, float(whole[place]), drawn.scores[place], len(labels))
        for place, key in enumerate(keys)
        if metric.has_interval
    }
    ahead = {
        key: _ahead(metric.direction, float(whole[best] - whole[place]), drawn.scores[best] - drawn.scores[place])
        for place, key in enumerate(keys)
        if place != best and metric.has_interval
    }
    tied = _tied(metric, labels, [probabilities[key] for key in keys], drawn.scores, whole, best, seed)
    weak = {
        key: fault
        for place, key in enumerate(keys)
        if (fault := _fault(task, metric, labels, probabilities[key], drawn.above[place], seed))
    }
    return _standing(
        keys, whole, best, metric.direction, intervals, drawn.gain, tied, parameters, weak, ahead, images=len(labels)
    )


def stand_by_rounds(
    direction: Direction,
    rounds: Mapping[int, Sequence[float]],
    parameters: Mapping[int, int],
    share: float,
    *,
    baseline: float | None = None,
) -> Standing:
    """Judges trials of several trainings each by their values per fold and repeat.

    Args:
        direction: The objective's direction.
        rounds: Each trial's values, of the same rounds; at least one trial.
        parameters: Parameters of each trial's network; 0 if unknown.
        share: Validation images per training image of a round.
        baseline: The objective of class frequencies alone; None if unknown.
    """
    keys = list(rounds)
    values = np.array([rounds[key] for key in keys], dtype=np.float64)
    whole = values.mean(axis=1)
    best = _best(whole, direction)
    intervals = {key: rounds_interval(rounds[key], share) for key in keys}
    tests = [corrected_resampled_t(values[best], row, share).p_value for row in values]
    tied = _not_told_apart(tests, best)
    sign = 1.0 if direction is Direction.MAXIMIZE else -1.0
    ahead = {
        key: rounds_interval(list(sign * (values[best] - values[place])), share)
        for place, key in enumerate(keys)
        if place != best
    }
    weak = {}
    for key in keys if baseline is not None else ():
        pessimistic = intervals[key].low if direction is Direction.MAXIMIZE else intervals[key].high
        assert baseline is not None
        if not direction.better(pessimistic, baseline):
            weak[key] = f"is not really better than class frequencies ({baseline:.4f})"
    gain = _gain_by_rounds(direction, values, best)
    return _standing(keys, whole, best, direction, intervals, gain, tied, parameters, weak, ahead, images=0)


def one_answer(labels: Labels, probabilities: Probabilities, thresholds: float | Floats = 0.5) -> bool:
    """Returns whether a model answers all of two or more images alike."""
    given = answers(labels, probabilities, thresholds)
    return len(given) > 1 and bool((given == given[0]).all())


def chance_fault(
    metric: Metric,
    labels: Labels,
    probabilities: Probabilities,
    baseline: Probabilities,
    *,
    is_clear: bool = False,
    seed: int = 0,
) -> str:
    """Returns how a model is no better than chance, as a sentence's end; empty for a model that is.

    Args:
        metric: The score.
        labels: Labels of the images.
        probabilities: The model's answers to them.
        baseline: The classes' frequencies, the same for each image.
        is_clear: The model is known to beat these, which is then not tested.
        seed: Seed of the tests.
    """
    score, other = metric.score(labels, probabilities), metric.score(labels, baseline)
    compared = f"({metric.name} {score:.4f} against {other:.4f})"
    if not metric.better(score, other):
        return f"is no better than class frequencies {compared}"
    if not (is_clear or paired_test(metric, labels, baseline, probabilities, seed=seed)[1] < SIGNIFICANT):
        return f"is not really better than class frequencies {compared}"
    # Guesses by frequency beat any one answer in macro F1, and know nothing all the same.
    random = np.random.default_rng((seed, 0x5F1E))
    guessed = [metric.score(labels, random.permutation(probabilities)) for _ in range(SHUFFLES)]
    if sum(not metric.better(score, guess) for guess in guessed) >= SIGNIFICANT * (SHUFFLES + 1):
        return f"is no better than its own answers given to images at random ({metric.name} {score:.4f})"
    return ""


@dataclass(frozen=True, eq=False)
class _Draws:
    scores: Floats
    """(trials, resamples)"""
    above: Floats
    """Each trial's gain over class frequencies in standard errors, (trials,)."""
    gain: float
    """The best trial's gain from being chosen, in the objective's unit; NaN with one trial."""


def _draw(
    task: Task,
    metric: Metric,
    labels: Labels,
    probabilities: Sequence[Probabilities],
    best: int,
    seed: int,
) -> _Draws:
    """Scores all trials on rows drawn with replacement, and finds the best one's gain from being chosen."""
    random = np.random.default_rng((seed, 0x57A4))
    baseline = label_frequencies(task, labels, probabilities[0].shape[1])
    models = [*probabilities, baseline]
    budget = min(MOST_EVALUATIONS, max(FEWEST_EVALUATIONS, CELLS / probabilities[0].size))
    resamples = int(min(MOST_RESAMPLES, max(FEWEST_RESAMPLES, budget / len(models))))
    scores = np.empty((len(models), resamples))
    for number in range(resamples):
        rows = random.integers(0, len(labels), len(labels))
        scores[:, number] = [metric.score(labels[rows], given[rows]) for given in models]
    gaps = scores[:-1] - scores[-1]
    whole = np.array([metric.score(labels, given) for given in models])
    spreads = np.array([_spread(row) for row in gaps])
    with np.errstate(invalid="ignore", divide="ignore"):
        above = (whole[:-1] - whole[-1]) / spreads
    gain = math.nan
    if len(probabilities) > 1 and len(labels) >= PARTS:
        repeats = int(min(MOST_REPEATS, max(FEWEST_REPEATS, budget / (PARTS * len(models)))))
        gain = float(np.mean([_gain(metric, labels, probabilities, best, random) for _ in range(repeats)]))
    return _Draws(scores[:-1], above if metric.direction is Direction.MAXIMIZE else -above, gain)


def _gain(
    metric: Metric, labels: Labels, probabilities: Sequence[Probabilities], best: int, random: np.random.Generator
) -> float:
    """Returns the best trial's gain from being chosen, by choosing on four fifths and scoring on the last, five times.

    It is what the best trial of all rows scores above the one chosen without these rows. Both are scored on the same
    rows, so a metric that reads lower on fewer rows changes nothing. Where no part has a score there is no gain.
    """
    order, gain = random.permutation(len(labels)), 0.0
    for part in np.array_split(order, PARTS):
        others = np.ones(len(labels), dtype=bool)
        others[part] = False
        chosen = _best(
            np.array([metric.score(labels[others], given[others]) for given in probabilities]), metric.direction
        )
        if chosen == best:
            continue
        one, other = (metric.score(labels[part], probabilities[place][part]) for place in (best, chosen))
        if not (math.isnan(one) or math.isnan(other)):
            gain += (one - other) * len(part) / len(labels)
    return gain


def _gain_by_rounds(direction: Direction, values: Floats, best: int) -> float:
    """Returns the best trial's gain from being chosen, by choosing on all rounds but one and scoring on that one."""
    trials, rounds = values.shape
    if trials < 2 or rounds < 2:
        return math.nan
    losses = []
    for left in range(rounds):
        chosen = _best(np.delete(values, left, axis=1).mean(axis=1), direction)
        losses.append(values[best, left] - values[chosen, left])
    return float(np.mean(losses))


def _tied(
    metric: Metric,
    labels: Labels,
    probabilities: Sequence[Probabilities],
    scores: Floats,
    whole: Floats,
    best: int,
    seed: int,
) -> list[int]:
    """Returns the places of the trials that a paired test cannot tell from the best."""
    level = SIGNIFICANT / max(1, len(probabilities) - 1)
    p_values = []
    for place, given in enumerate(probabilities):
        spread = _spread(scores[best] - scores[place])
        if place == best:
            p_values.append(math.nan)
        elif abs(whole[best] - whole[place]) > CLEAR * spread > 0:
            p_values.append(0.0)
        else:
            p_values.append(paired_test(metric, labels, probabilities[best], given, seed=seed, level=level)[1])
    return _not_told_apart(p_values, best)


def _not_told_apart(p_values: Sequence[float], best: int) -> list[int]:
    others = [place for place in range(len(p_values)) if place != best]
    adjusted = holm([p_values[place] for place in others])
    return [place for place, value in zip(others, adjusted, strict=True) if not value < SIGNIFICANT]


def _fault(task: Task, metric: Metric, labels: Labels, probabilities: Probabilities, above: float, seed: int) -> str:
    """Returns what is wrong with a trial; empty if nothing is."""
    baseline = label_frequencies(task, labels, probabilities.shape[1])
    chance = chance_fault(metric, labels, probabilities, baseline, is_clear=above > CLEAR, seed=seed)
    alike = one_answer(labels, probabilities)
    if alike and chance:
        return f"gives the same answer to every image, and {chance}"
    if alike:
        cure = "" if task == "multiclass" else " at the threshold 0.5; promote tunes thresholds"
        return f"gives the same answer to every image{cure}"
    return chance


def _standing(
    keys: Sequence[int],
    whole: Floats,
    best: int,
    direction: Direction,
    intervals: Mapping[int, Interval],
    gain: float,
    tied: Sequence[int],
    parameters: Mapping[int, int],
    weak: Mapping[int, str],
    ahead: Mapping[int, Interval],
    *,
    images: int,
) -> Standing:
    ordered = sorted(tied, key=lambda place: direction.loss(float(whole[place])))
    known = [keys[place] for place in (best, *ordered) if parameters.get(keys[place])]
    smallest = min(known, key=lambda key: parameters[key], default=keys[best])
    value = float(whole[best])
    corrected = value - gain
    return Standing(
        best=keys[best],
        value=value,
        images=images,
        trials=len(keys),
        intervals=intervals,
        corrected=None if math.isnan(gain) else corrected,
        flattered=direction.better(value, corrected) and f"{value:.4f}" != f"{corrected:.4f}",
        tied=tuple(keys[place] for place in ordered),
        smallest=smallest,
        parameters=parameters.get(smallest, 0),
        weak=weak,
        ahead=ahead,
    )


def _ahead(direction: Direction, difference: float, resampled: Floats) -> Interval:
    """Returns by how much one trial is better than another, from the differences on resampled rows."""
    low, high = percentiles(resampled)
    if direction is Direction.MAXIMIZE:
        return Interval(difference, low, high, 0.95)
    return Interval(-difference, -high, -low, 0.95)


def _spread(values: Floats) -> float:
    """Returns the standard deviation of the defined values; NaN for fewer than two."""
    defined = values[~np.isnan(values)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else math.nan


def _best(scores: NDArray[np.float64], direction: Direction) -> int:
    losses = scores if direction is Direction.MINIMIZE else -scores
    return int(np.argmin(np.where(np.isnan(losses), np.inf, losses)))


def _trials(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"trial{'s' if len(names) > 1 else ''} {shown}{more}"
