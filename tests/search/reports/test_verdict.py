from __future__ import annotations

from dataclasses import replace

import pytest

from apertune.search.evaluation.direction import Direction
from apertune.search.evaluation.significance import Interval
from apertune.search.evaluation.standing import Standing
from apertune.search.reports.findings import Findings
from apertune.search.reports.verdict import metric_words, next_steps, verdict
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.trial_records import DEFAULTS, TrialRecord

DEFINITION = StudyDefinition(
    dataset="faces", data="", task="multiclass", fingerprint="ab" * 32, space="convnet", search_space="[]",
    objective="macro_f1", direction=Direction.MAXIMIZE, epochs=20,
)  # fmt: skip
BEST = TrialRecord(3, "complete", 0.8125, {})
STANDING = Standing(
    best=3, value=0.8125, images=270, trials=4, intervals={3: Interval(0.8125, 0.75, 0.875, 0.95)}, corrected=0.8,
    flattered=True, tied=(1,), smallest=1, parameters=1000, weak={3: "gives the same answer to every image"},
)  # fmt: skip
FINDINGS = Findings("macro_f1", 3, {DEFAULTS: (0, Interval(0.25, 0.125, 0.375, 0.95))}, "", 12, 0.03125)


def test_the_verdict_names_the_best_with_its_interval() -> None:
    """One sentence has trial, score, interval and images; warnings stand apart; the rest are notes in order."""
    told = verdict(DEFINITION, BEST, STANDING, FINDINGS, {"macro_f1": 0.1}, {"macro_f1": 0.9}, "An article")
    assert told.sentence == (
        "Trial 3 is the best: macro F1 0.8125 on validation (95 % interval 0.7500 to 0.8750, 270 images)."
    )
    assert told.warnings == ("The best trial, 3, gives the same answer to every image.",)
    assert told.notes[0].startswith("The best beats trial 0, the defaults, by 0.2500 in macro F1")
    assert told.notes[-2:] == (
        "Answering with class frequencies alone scores 0.1000.",
        "Published: 0.9000 (An article), on its own test images.",
    )


def test_weak_trials_beside_the_best_are_no_warning() -> None:
    """That other trials are no better than chance is told, but does not throw doubt on the best."""
    told = verdict(DEFINITION, BEST, replace(STANDING, weak={0: "gives one answer"}), None, {}, {}, "")
    assert told.warnings == ()
    assert "Trial 0 gives one answer or is no better than chance." in told.notes


def test_a_verdict_of_little_says_no_more() -> None:
    """Without a standing there is no interval, and without a complete trial no best."""
    assert (
        verdict(DEFINITION, BEST, None, None, {}, {}, "").sentence
        == "Trial 3 is the best: macro F1 0.8125 on validation."
    )
    assert verdict(DEFINITION, BEST, None, None, {}, {}, "").notes == ()
    assert verdict(DEFINITION, None, None, None, {}, {}, "").sentence == "No trial has completed yet."


def test_the_next_steps_go_on_with_the_study() -> None:
    """Advice comes first, then what as many trials again would bring, or that it cannot be told."""
    advice, more, promote = next_steps(12, 8, ["Widen it."], FINDINGS)
    assert advice == "Widen it."
    assert more.startswith("As many trials again can be expected to bring 0.0312 more")
    assert more.endswith("The same command with `--trials 24` goes on with this study.")
    assert "`apertune promote`" in promote
    few, _ = next_steps(3, 3, [], replace(FINDINGS, doubling=None))
    assert few.startswith("The same command with `--trials 6` goes on with this study; these are too few trials")
    assert next_steps(3, 0, [], None) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("macro_f1", "macro F1"), ("roc_auc", "ROC AUC"), ("map", "mAP"), ("log_loss", "log loss"), ("own", "own")],
)
def test_metrics_are_called_by_words(name: str, words: str) -> None:
    """A metric's name is shown in words, its abbreviations as people write them."""
    assert metric_words(name) == words
