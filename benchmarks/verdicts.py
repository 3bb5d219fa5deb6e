"""Do verdicts hold? The tests, corrections and the gate, on models whose true scores are known.

    uv run python benchmarks/verdicts.py [--repetitions 2000] [--processes N]

Models answer images that are hard or easy for all of them alike, so that their errors go together, as those of trained
networks do. Four questions, hundreds to thousands of repetitions each, under ten minutes on two cores:

- How often are two equal models called really different? At most 5 % is promised.
- How often are two models called really different whose true scores differ by what `compare` and `promote` state as the
  smallest difference? At least 80 % is promised.
- How far is the best score of 20 trials from that trial's true score, as it reads and corrected? The corrected one is
  to be right within 0.005 on average.
- How often does any of ten equal challengers, each with its own opening of the same test images, become champion? In at
  most 5 % of the series.

The exit status is 1 where an answer misses its bound by more than chance explains (two standard errors).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from measurements import Column, Table, arguments_of, tell
from scipy.stats import norm

from apertune.search.evaluation import standing as evaluation_standing
from apertune.search.evaluation.metrics import METRICS
from apertune.search.evaluation.significance import (
    SIGNIFICANT,
    corrected_resampled_t,
    paired_bootstrap,
    paired_test,
    smallest_difference,
)
from apertune.search.evaluation.standing import stand
from apertune.search.promotion.gate import contest
from apertune.search.promotion.opening import level_after

IMAGES = 300
TOGETHER = 0.5  # Share of an error's variance that is the image's, not the model's.
SHARES = (0.6, 0.3, 0.1)
OPENINGS = 10
TRIALS = 20
FOLDS = 5
LARGE = 400_000
BEST = Table(
    "verdicts-best",
    Column("trials", f"true accuracies of {TRIALS} trials"),
    Column("high", "the best reads too high by", "{:.3f}"),
    Column("corrected", "corrected, off by", "{:.3f}"),
    Column("error", "standard error", "{:.3f}"),
)


@dataclass(frozen=True)
class Answer:
    """One measured number and its bound."""

    question: str
    value: float
    error: float
    """Its standard error over the repetitions."""
    least: float | None = None
    most: float | None = None

    @property
    def holds(self) -> bool:
        """True where the bound is met, or missed by no more than chance explains."""
        low, high = self.value - 2 * self.error, self.value + 2 * self.error
        return (self.least is None or high >= self.least) and (self.most is None or low <= self.most)

    @property
    def bound(self) -> str:
        """The bound in words."""
        return f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "MISSED"
        return f"{self.question:<74} {self.value:8.4f} ± {self.error:.4f}   {self.bound:<14} {verdict}"


def several_classes(
    random: np.random.Generator, skills: list[float], images: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Returns labels of three classes of unlike frequency, and probabilities of models of these accuracies."""
    labels = random.choice(len(SHARES), images, p=SHARES).astype(np.int32)
    hardness = random.normal(size=images)
    given = []
    for skill in skills:
        own = np.sqrt(TOGETHER) * hardness + np.sqrt(1 - TOGETHER) * random.normal(size=images)
        wrong = (labels + random.integers(1, len(SHARES), images)) % len(SHARES)
        answered = np.where(own < norm.ppf(skill), labels, wrong)
        sureness = random.uniform(0.5, 0.9, images)
        table = np.repeat((1 - sureness)[:, None] / (len(SHARES) - 1), len(SHARES), axis=1)
        table[np.arange(images), answered] = sureness
        given.append(table.astype(np.float32))
    return labels, given


def two_classes(random: np.random.Generator, skills: list[float], images: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Returns labels, three in ten positive, and probabilities of models that shift positives by these skills.

    Every second model states its probabilities on a scale of its own, which no metric of ranks may notice.
    """
    labels = (random.random(images) < 0.3).astype(np.int32)
    hardness = random.normal(size=images)
    given = []
    for number, skill in enumerate(skills):
        own = np.sqrt(TOGETHER) * hardness + np.sqrt(1 - TOGETHER) * random.normal(size=images)
        stated = norm.cdf(skill * labels + own - skill / 2)
        given.append((stated**3 if number % 2 else stated)[:, None].astype(np.float32))
    return labels, given


MAKERS: dict[str, tuple[Callable[..., tuple[np.ndarray, list[np.ndarray]]], float]] = {
    "accuracy": (several_classes, 0.8),
    "macro_f1": (several_classes, 0.8),
    "roc_auc": (two_classes, 1.5),
}


def called_different(name: str, gain: float, seed: int) -> bool:
    """Returns whether two models, the second better by `gain` in skill, are called really different."""
    make, skill = MAKERS[name]
    labels, (first, second) = make(np.random.default_rng((1, seed)), [skill, skill + gain], IMAGES)
    return bool(paired_test(METRICS[name], labels, first, second, seed=seed)[1] < SIGNIFICANT)


def stated_smallest(name: str, gain: float, seed: int) -> float:
    """Returns the smallest difference that is stated for such a pair."""
    make, skill = MAKERS[name]
    labels, (first, second) = make(np.random.default_rng((2, seed)), [skill, skill + gain], IMAGES)
    gap = paired_bootstrap(METRICS[name], labels, first, second, seed=seed, resamples=200)
    return smallest_difference(gap.spread)


def true_difference(name: str, gain: float) -> float:
    """Returns the difference of their scores on very many images."""
    make, skill = MAKERS[name]
    labels, (first, second) = make(np.random.default_rng(3), [skill, skill + gain], LARGE)
    return METRICS[name].score(labels, second) - METRICS[name].score(labels, first)


def gain_of_the_stated(name: str) -> float:
    """Returns the gain in skill whose true difference is the smallest one that is stated for it, by bisection."""
    low, high = 0.0, 0.18 if MAKERS[name][0] is several_classes else 1.5
    for _ in range(12):
        middle = (low + high) / 2
        stated = float(np.mean([stated_smallest(name, middle, seed) for seed in range(40)]))
        low, high = (low, middle) if true_difference(name, middle) > stated else (middle, high)
    return (low + high) / 2


def folds_called_different(gain: float, seed: int) -> bool:
    """Returns whether two configurations are called different by their folds, which share training images."""
    random = np.random.default_rng((4, seed))
    # The correlation that Nadeau and Bengio assume: the share of the images that a fold validates on.
    common, own = np.sqrt(1 / FOLDS), np.sqrt(1 - 1 / FOLDS)
    gaps = 0.02 * (common * random.normal() + own * random.normal(size=FOLDS)) + gain
    hardness = random.normal(0, 0.05, FOLDS)
    return bool(corrected_resampled_t(hardness, hardness + gaps, 1 / (FOLDS - 1)).p_value < SIGNIFICANT)


def best_of_many(spread: float, seed: int) -> tuple[float, float]:
    """Returns how much too high the best score of 20 trials reads, and how much after the correction."""
    random = np.random.default_rng((5, seed))
    skills = np.clip(0.8 + spread * random.normal(size=TRIALS), 0.05, 0.99).tolist()
    labels, given = several_classes(random, skills, IMAGES)
    # A fifth of the resamples that a search takes: their noise is small against that of one repetition.
    evaluation_standing.MOST_EVALUATIONS = 4_000
    standing = stand("multiclass", METRICS["accuracy"], labels, dict(enumerate(given)), {}, seed=seed)
    assert standing.corrected is not None
    return standing.value - skills[standing.best], standing.corrected - skills[standing.best]


def equal_challenger_passes(name: str, seed: int) -> bool:
    """Returns whether any of ten equal challengers beats the champion, each at the level of its opening."""
    make, skill = MAKERS[name]
    labels, (champion, *challengers) = make(np.random.default_rng((6, seed)), [skill] * (OPENINGS + 1), IMAGES)
    return any(
        contest(
            METRICS[name], labels, challenger, champion, "champion", level=level_after(number), seed=seed, resamples=2
        ).better
        for number, challenger in enumerate(challengers, 1)
    )


def share(pool: ProcessPoolExecutor, ask: Callable[[int], bool], repetitions: int) -> tuple[float, float]:
    """Returns the share of repetitions in which something happens, and its standard error."""
    happened = np.array(list(pool.map(ask, range(repetitions), chunksize=20)))
    return float(happened.mean()), float(np.sqrt(max(happened.mean() * (1 - happened.mean()), 1e-9) / repetitions))


def answers(pool: ProcessPoolExecutor, repetitions: int) -> list[Answer]:
    """Asks all questions, and prints each answer as it comes."""
    found: list[Answer] = []

    def tell(answer: Answer) -> None:
        found.append(answer)
        print(answer, flush=True)

    for name in MAKERS:
        # McNemar's test takes a hundredth of the time of the others.
        count = repetitions if METRICS[name].counts_right_answers else repetitions // 2
        value, error = share(pool, partial(called_different, name, 0.0), count)
        tell(Answer(f"equal models called different, {name}", value, error, most=0.05))
    value, error = share(pool, partial(folds_called_different, 0.0), 5 * repetitions)
    tell(Answer(f"equal configurations called different, {FOLDS} folds", value, error, most=0.05))
    for name, gain in zip(MAKERS, pool.map(gain_of_the_stated, MAKERS), strict=True):
        value, error = share(pool, partial(called_different, name, gain), repetitions // 4)
        question = f"models {true_difference(name, gain):.3f} apart, as stated, called different, {name}"
        tell(Answer(question, value, error, least=0.8))
    for spread in (0.0, 0.01, 0.03):
        off = np.array(list(pool.map(partial(best_of_many, spread), range(repetitions // 6), chunksize=5)))
        error = float(off[:, 1].std(ddof=1) / np.sqrt(len(off)))
        BEST.add(
            trials=f"{spread:g} apart" if spread else "equal",
            high=float(off[:, 0].mean()),
            corrected=float(abs(off[:, 1].mean())),
            error=error,
        )
        print(f"the best of {TRIALS} trials, true scores {spread:g} apart, reads too high by {off[:, 0].mean():.4f}")
        question = f"off by how much: the best of {TRIALS}, {spread:g} apart, corrected"
        tell(Answer(question, abs(off[:, 1].mean()), error, most=0.005))
    for name, count in (("accuracy", repetitions), ("macro_f1", repetitions // 4)):
        value, error = share(pool, partial(equal_challenger_passes, name), count)
        tell(
            Answer(
                f"series of {OPENINGS} openings in which an equal challenger passes, {name}", value, error, most=0.05
            )
        )
    return found


def main() -> int:
    """Measures, prints, and returns the exit status."""
    parser = argparse.ArgumentParser(description="Check verdicts on models whose true scores are known.")
    parser.add_argument("--repetitions", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = arguments_of(parser)
    with ProcessPoolExecutor(given.processes) as pool:
        found = answers(pool, given.repetitions)
    table = Table(
        "verdicts",
        Column("question", "question"),
        Column("value", "found", "{:.3f}"),
        Column("error", "standard error", "{:.3f}"),
        Column("bound", "bound"),
        Column("verdict", ""),
    )
    for answer in found:
        verdict = "holds" if answer.holds else "MISSED"
        table.add(question=answer.question, value=answer.value, error=answer.error, bound=answer.bound, verdict=verdict)
    tell(table, BEST)
    return 0 if all(answer.holds for answer in found) else 1


if __name__ == "__main__":
    sys.exit(main())
