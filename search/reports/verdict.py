"""The verdict of a report: the best trial in one sentence, what to know of it, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...text import counted, shown_score

if TYPE_CHECKING:
    from ..evaluation.standing import Standing
    from ..studies.definition import StudyDefinition
    from ..studies.trial_records import TrialRecord
    from .findings import Findings

WARNING = "WARNING: "
ABBREVIATIONS = {"f1": "F1", "roc": "ROC", "auc": "AUC", "map": "mAP"}


@dataclass(frozen=True)
class Verdict:
    """The outcome of a study, for a reader with half a minute."""

    sentence: str
    """The best trial and its score."""
    warnings: tuple[str, ...] = ()
    """Reasons not to rely on it."""
    notes: tuple[str, ...] = ()
    """Comparisons with the start of the search, with guessing and with published scores; doubts."""


def metric_words(name: str) -> str:
    """Returns a metric's name in words: `macro F1`, `log loss`."""
    return " ".join(ABBREVIATIONS.get(word, word) for word in name.split("_"))


def verdict(
    definition: StudyDefinition,
    best: TrialRecord | None,
    standing: Standing | None,
    findings: Findings | None,
    baseline: Mapping[str, float],
    reference: Mapping[str, float],
    reference_source: str,
) -> Verdict:
    """Returns the verdict on a study.

    Args:
        definition: The study's definition.
        best: Its best trial; None while none is complete.
        standing: The complete trials judged together, if they are.
        findings: The gain of the search, if it is known.
        baseline: Scores of answering with class frequencies alone, by metric.
        reference: Published scores by metric.
        reference_source: The publication of those scores.
    """
    if best is None:
        return Verdict("No trial has completed yet.")
    name = definition.objective
    sentence = f"Trial {best.number} is the best: {metric_words(name)} {shown_score(best.value)} on validation"
    if standing and (interval := standing.intervals.get(best.number)):
        sentence += f" (95 % interval {shown_score(interval.low)} to {shown_score(interval.high)}"
        sentence += f", {counted(standing.images, 'image')})" if standing.images else ")"
    told = standing.lines(name) if standing else []
    # That others of the trials are weak is no reason to doubt the best.
    doubts = [line for line in told if line.startswith(f"{WARNING}the best")]
    others = [_sentence(line) for line in told if line not in doubts]
    notes = [*(findings.gain_lines() if findings else ()), *others]
    for level, words in (
        (baseline.get(name), "Answering with class frequencies alone scores {}."),
        (reference.get(name), f"Published: {{}} ({reference_source}), on its own test images."),
    ):
        if level is not None:
            notes.append(words.format(shown_score(level)))
    return Verdict(
        f"{sentence}.",
        tuple(_in_words(_sentence(line), name) for line in doubts),
        tuple(_in_words(line, name) for line in notes),
    )


def _sentence(line: str) -> str:
    plain = line.removeprefix(WARNING)
    return plain[:1].upper() + plain[1:]


def _in_words(line: str, metric: str) -> str:
    """Returns a line with the metric's name in words."""
    return re.sub(rf"\b{re.escape(metric)}\b", lambda _: metric_words(metric), line)


def next_steps(trials: int, complete: int, advice: list[str], findings: Findings | None) -> list[str]:
    """Returns what to try next, a sentence per line; none while no trial is complete.

    Args:
        trials: All trials of the study.
        complete: Those that are complete.
        advice: Sentences on ranges that should change.
        findings: The gain of the search, if it is known.
    """
    if not complete:
        return []
    lines = list(advice)
    more = f"The same command with `--trials {2 * trials}` goes on with this study"
    doubling = findings.doubling_line() if findings else ""
    lines.append(f"{doubling} {more}." if doubling else f"{more}; these are too few trials to tell what more bring.")
    lines.append("`apertune promote` confirms the best over several seeds and scores it on the test images, once.")
    return lines
