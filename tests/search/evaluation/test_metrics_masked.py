"""Metrics of several labels leave masked labels out, as PASCAL VOC does where a class is only difficult in an image."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, log_loss

from apertune.search.evaluation.metrics import METRICS, evaluate, for_task
from apertune.search.evaluation.ranking import area_under_roc
from apertune.search.evaluation.significance import bootstrap_interval
from apertune.search.evaluation.thresholds import best_thresholds

CLASSES = 5


def drawn(seed: int, rows: int = 80) -> tuple[np.ma.MaskedArray, np.ndarray]:
    """Labels of which a fifth of the negatives are masked, and probabilities."""
    random = np.random.default_rng(seed)
    labels = (random.random((rows, CLASSES)) < 0.35).astype(np.uint8)
    masked = (labels == 0) & (random.random(labels.shape) < 0.2)
    probabilities = random.uniform(0.01, 0.99, (rows, CLASSES)).astype(np.float32).round(2)
    return np.ma.masked_array(labels, masked), probabilities


def columns(labels: np.ma.MaskedArray, probabilities: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each class's labels and probabilities without the masked ones."""
    keep = ~np.ma.getmaskarray(labels)
    return [(labels.data[keep[:, c], c], probabilities[keep[:, c], c]) for c in range(CLASSES)]


@pytest.mark.parametrize("seed", range(6))
def test_metrics_agree_with_scikit_learn_on_what_counts(seed: int) -> None:
    """Average precision, F1, log loss and the share of wrong answers are those of the labels that count."""
    labels, probabilities = drawn(seed)
    scores, each = evaluate("multilabel", labels, probabilities), columns(labels, probabilities)
    flat = [np.concatenate(parts) for parts in zip(*each, strict=True)]
    assert scores["map"] == pytest.approx(np.mean([average_precision_score(*pair) for pair in each]))
    assert scores["macro_f1"] == pytest.approx(np.mean([f1_score(true, stated >= 0.5) for true, stated in each]))
    assert scores["micro_f1"] == pytest.approx(f1_score(flat[0], flat[1] >= 0.5))
    assert scores["log_loss"] == pytest.approx(log_loss(flat[0], flat[1].astype(float)), rel=1e-6)
    assert scores["hamming_loss"] == pytest.approx(np.mean(flat[0] != (flat[1] >= 0.5)))


@pytest.mark.parametrize("metric", [metric.name for metric in for_task("multilabel")])
def test_no_answer_to_a_masked_label_changes_a_metric(metric: str) -> None:
    """Whatever is answered where a label is masked, each metric stays the same; elsewhere, answers change it."""
    labels, probabilities = drawn(1)
    changed = np.where(np.ma.getmaskarray(labels), 1 - probabilities, probabilities)
    assert METRICS[metric].score(labels, changed) == METRICS[metric].score(labels, probabilities)
    assert METRICS[metric].score(labels, 1 - probabilities) != METRICS[metric].score(labels, probabilities)


def test_as_voc_scores() -> None:
    """An image where a class is only difficult is no mistake of that class: with it left out, the order is perfect."""
    labels = np.ma.masked_array(np.array([[1, 0], [0, 1], [0, 1]], np.uint8), [[0, 0], [1, 0], [0, 0]])
    probabilities = np.array([[0.7, 0.1], [0.9, 0.8], [0.2, 0.6]], np.float32)
    assert evaluate("multilabel", labels, probabilities)["map"] == 1
    assert evaluate("multilabel", labels.data, probabilities)["map"] == pytest.approx(0.75)
    assert evaluate("multilabel", labels, probabilities)["map_voc11"] == 1
    assert evaluate("multilabel", labels, probabilities)["exact_match"] == 1


def test_a_class_masked_everywhere() -> None:
    """A class that counts in no image is left out of the mean, like one that no image carries."""
    labels, probabilities = drawn(3)
    every = np.ma.masked_array(labels.data * [0, 1, 1, 1, 1], labels.mask | [True, False, False, False, False])
    wanted = np.mean([average_precision_score(*pair) for pair in columns(labels, probabilities)[1:]])
    assert evaluate("multilabel", every.astype(np.uint8), probabilities)["map"] == pytest.approx(wanted)
    assert np.isnan(area_under_roc(every[:, 0], probabilities[:, 0]))
    assert best_thresholds(every.astype(np.uint8), probabilities)[0] == 0.5


def test_intervals_keep_the_mask() -> None:
    """The bootstrap draws rows with their masks."""
    labels, probabilities = drawn(4)
    changed = np.where(np.ma.getmaskarray(labels), 1 - probabilities, probabilities)
    first, second = (
        bootstrap_interval(METRICS["map"], labels, each, seed=0, resamples=20) for each in (probabilities, changed)
    )
    assert first == second
