from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from apertune.errors import UnknownNameError
from apertune.search.evaluation import decisions, metrics
from apertune.search.evaluation.metrics import METRICS, default_objective, evaluate, resolve_objective

CASES = [(task, name) for name, metric in METRICS.items() for task in sorted(metric.tasks)]


def draw(task, seed, rows=60, classes=6, coarse=True):
    """Random labels and probabilities; coarse ones hold many ties and exact 0, 0.5 and 1."""
    random = np.random.default_rng(seed)
    outputs = 1 if task == "binary" else classes
    raw = random.random((rows, outputs))
    if coarse:
        raw = np.round(raw * 4) / 4
    if task == "multiclass":
        raw = (raw + 0.25) / (raw + 0.25).sum(axis=1, keepdims=True)
    if task == "multilabel":
        return (random.random((rows, classes)) < 0.3).astype(np.uint8), raw.astype(np.float32)
    return random.integers(0, max(2, outputs), rows, dtype=np.int32), raw.astype(np.float32)


def sklearn_score(name, task, labels, probabilities):
    """The same number from scikit-learn, in its own terms."""
    given_answers = decisions.answers(labels, probabilities)
    column = probabilities[:, 0].astype(np.float64)
    double = probabilities.astype(np.float64)
    score, _, average = name.partition("_")[2], None, name.partition("_")[0]
    if average in ("micro", "macro", "weighted"):
        function = {"f1": sk.f1_score, "precision": sk.precision_score, "recall": sk.recall_score}[score]
        return function(labels, given_answers, average=average, zero_division=0)
    plain = {
        "accuracy": lambda: sk.accuracy_score(labels, given_answers),
        "exact_match": lambda: sk.accuracy_score(labels, given_answers),
        "hamming_loss": lambda: sk.hamming_loss(labels, given_answers),
        "balanced_accuracy": lambda: sk.balanced_accuracy_score(labels, given_answers),
        "mcc": lambda: sk.matthews_corrcoef(labels, given_answers),
        "f1": lambda: sk.f1_score(labels, given_answers, zero_division=0),
        "precision": lambda: sk.precision_score(labels, given_answers, zero_division=0),
        "recall": lambda: sk.recall_score(labels, given_answers, zero_division=0),
        "roc_auc": lambda: sk.roc_auc_score(labels, column),
        "average_precision": lambda: sk.average_precision_score(labels, column),
        "brier_score": lambda: sk.brier_score_loss(labels, column),
        "map": lambda: sk.average_precision_score(labels, double, average="macro"),
        "log_loss": lambda: _sklearn_log_loss(task, labels, probabilities),
    }
    return plain[name]()


def _sklearn_log_loss(task, labels, probabilities):
    kept = np.clip(probabilities.astype(np.float64), np.finfo(np.float32).eps, 1 - np.finfo(np.float32).eps)
    if task == "multiclass":
        return sk.log_loss(labels, kept / kept.sum(axis=1, keepdims=True), labels=range(probabilities.shape[1]))
    return sk.log_loss(labels.ravel(), kept.ravel(), labels=[0, 1])


IN_SKLEARN = [
    case for case in CASES
    if not case[1].endswith("_tuned") and case[1] not in ("map_voc11", "expected_calibration_error", "top3_accuracy")
]  # fmt: skip


@pytest.mark.parametrize(("task", "name"), IN_SKLEARN)
@pytest.mark.parametrize("coarse", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize("seed", range(2))
def test_equals_scikit_learn(task, name, coarse, seed):
    """A metric equals scikit-learn's on random probabilities, with and without ties."""
    labels, probabilities = draw(task, seed, coarse=coarse)
    expected = sklearn_score(name, task, labels, probabilities)
    assert METRICS[name].score(labels, probabilities) == pytest.approx(expected, abs=1e-6)


@given(rows=st.integers(1, 12), seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_few_rows_equal_scikit_learn(rows, seed):
    """F1, recall and precision equal scikit-learn's on so few rows that classes are empty or never predicted."""
    for task, name in IN_SKLEARN:
        if name.rpartition("_")[2] in ("f1", "precision", "recall") and name != "average_precision":
            labels, probabilities = draw(task, seed, rows=rows)
            expected = sklearn_score(name, task, labels, probabilities)
            assert METRICS[name].score(labels, probabilities) == pytest.approx(expected, abs=1e-6), (task, name)


@pytest.mark.parametrize("seed", range(5))
def test_top3_counts_better_classes(seed):
    """Top-3 accuracy equals sorting each row by hand; of equal probabilities the earlier class comes first."""
    labels, probabilities = draw("multiclass", seed)
    named = [sorted(range(6), key=lambda c, row=row: (-row[c], c))[:3] for row in probabilities]
    expected = np.mean([label in best for label, best in zip(labels, named, strict=True)])
    assert METRICS["top3_accuracy"].score(labels, probabilities) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_voc11_equals_the_development_kit(seed):
    """The 11-point mAP equals a plain transcription of the VOC development kit's VOCap on distinct scores."""
    labels, probabilities = draw("multilabel", seed, coarse=False)
    expected = []
    for positive, scores in zip(labels.T, probabilities.T, strict=True):
        hits = np.cumsum(positive[np.argsort(-scores)].astype(int))
        recall, precision = hits / positive.sum(), hits / np.arange(1, len(hits) + 1)
        points = [precision[recall >= k / 10 - 1e-9] for k in range(11)]
        expected.append(sum(p.max() for p in points if len(p)) / 11)
    assert METRICS["map_voc11"].score(labels, probabilities) == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("coarse", [False, True])
def test_calibration_error_equals_a_plain_loop(task, coarse):
    """The expected calibration error equals a loop over 15 bins."""
    labels, probabilities = draw(task, 1, rows=200, coarse=coarse)
    if task == "multiclass":
        pairs = [(row.max(), float(row.argmax() == label)) for row, label in zip(probabilities, labels, strict=True)]
    else:
        pairs = list(zip(probabilities.ravel(), labels.ravel().astype(float), strict=True))
    bins = [[pair for pair in pairs if min(int(float(pair[0]) * 15), 14) == k] for k in range(15)]
    gaps = [abs(sum(p - t for p, t in content)) for content in bins]
    found = METRICS["expected_calibration_error"].score(labels, probabilities)
    assert found == pytest.approx(sum(gaps) / len(pairs), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_tuned_f1_is_the_best_reachable(seed):
    """No grid of thresholds beats the tuned ones on the rows they were tuned on."""
    labels, probabilities = draw("multilabel", seed)
    grid = [sk.f1_score(labels, probabilities >= t, average=None, zero_division=0) for t in np.linspace(0, 1, 101)]
    expected = np.max(grid, axis=0).mean()
    assert METRICS["macro_f1_tuned"].score(labels, probabilities) == pytest.approx(expected)


DEGENERATE = ["one class", "single row", "constant", "certain and wrong", "certain and right", "all zero labels"]


def degenerate(kind, task):
    labels, probabilities = draw(task, 0, rows=1 if kind == "single row" else 20, classes=4)
    if kind == "one class":
        labels = np.ones_like(labels)
    elif kind == "all zero labels":
        labels = np.zeros_like(labels)
    elif kind == "constant":
        probabilities = np.full_like(probabilities, 0.25 if task == "multiclass" else 0.5)
    elif kind.startswith("certain"):
        truth = np.eye(4, dtype=np.float32)[labels] if task == "multiclass" else labels.reshape(probabilities.shape)
        wrong = np.roll(truth, 1, axis=1) if task == "multiclass" else 1 - truth
        probabilities = (truth if kind.endswith("right") else wrong).astype(np.float32)
    return labels, probabilities


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("kind", DEGENERATE)
def test_degenerate_input_is_defined_and_silent(task, kind):
    """Every metric is a number without a warning on degenerate input, but for rankings that have nothing to rank."""
    labels, probabilities = degenerate(kind, task)
    scores = evaluate(task, labels, probabilities)
    undefined = {name for name, value in scores.items() if math.isnan(value)}
    allowed = set()
    if task == "binary" and len(np.unique(labels)) == 1:
        allowed.add("roc_auc")
    if not (labels == 1).any():
        allowed |= {"average_precision", "map", "map_voc11"} & set(scores)
    assert undefined == allowed
    assert all(math.isfinite(value) for name, value in scores.items() if name not in allowed)


NOT_RANKED_WITHOUT_POSITIVES = ("average_precision", "map")


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("kind", [*DEGENERATE, "empty class", "equal scores"])
@pytest.mark.filterwarnings("ignore")  # scikit-learn warns of what it finds undefined
def test_degenerate_input_equals_scikit_learn(task, kind):
    """One class only, an empty class, one row, ties and certainty give scikit-learn's numbers wherever it has one.

    Without a positive row scikit-learn calls the area under precision and recall 0; here it is undefined, and a class
    without one is left out of the mean.
    """
    labels, probabilities = degenerate(kind, task)
    if kind == "empty class":
        labels = np.where(labels == 1, 0, labels) if task == "multiclass" else labels
        if task == "multilabel":
            labels[:, 1] = 0
    elif kind == "equal scores":
        probabilities = np.full_like(probabilities, 1 / probabilities.shape[1])
    for metric_task, name in IN_SKLEARN:
        if metric_task != task:
            continue
        found = METRICS[name].score(labels, probabilities)
        if name in NOT_RANKED_WITHOUT_POSITIVES and not np.atleast_2d(labels.T).any(axis=1).all():
            columns = [c for c in range(probabilities.shape[1]) if np.atleast_2d(labels.T)[c].any()]
            rows = [sk.average_precision_score(np.atleast_2d(labels.T)[c], probabilities[:, c]) for c in columns]
            expected = np.mean(rows) if rows else math.nan
        else:
            expected = sklearn_score(name, task, labels, probabilities)
        assert found == pytest.approx(expected, abs=1e-6, nan_ok=True), name


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_perfect_answers_score_best(task):
    """Perfect probabilities reach the best value of every metric."""
    scores = evaluate(task, *degenerate("certain and right", task))
    for name, value in scores.items():
        assert value == pytest.approx(1.0 if METRICS[name].direction == "maximize" else 0.0, abs=1e-6), name


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_broken_probabilities_give_nan(task, broken):
    """One probability that is NaN or infinite makes every metric NaN, and so do no rows at all."""
    labels, probabilities = draw(task, 0)
    probabilities[3, 0] = broken
    assert all(math.isnan(value) for value in evaluate(task, labels, probabilities).values())
    assert all(math.isnan(value) for value in evaluate(task, labels[:0], probabilities[:0]).values())


def test_every_epoch_is_cheap():
    """The metrics of every epoch cost milliseconds on 3,589 faces of 7 classes."""
    labels, probabilities = draw("multiclass", 0, rows=3589, classes=7, coarse=False)
    spent = []
    for _ in range(5):
        start = time.perf_counter()
        evaluate("multiclass", labels, probabilities, per_epoch=True)
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.02


def test_few_metrics_are_kept_each_epoch():
    """At most eight metrics are recorded after every epoch, and the default objective is among them."""
    for task in ("binary", "multiclass", "multilabel"):
        kept = [metric.name for metric in metrics.for_task(task, per_epoch=True)]
        assert len(kept) <= 8
        assert default_objective(task) in kept


def test_default_objectives():
    """The default objective fits the task, and a data set's own comes first."""
    assert default_objective("binary") == "roc_auc"
    assert default_objective("multiclass") == "macro_f1"
    assert default_objective("multilabel") == "map"
    assert default_objective("multiclass", "accuracy") == "accuracy"


def test_unknown_objective_lists_the_tasks_own():
    """An objective that the task lacks is refused with the nearest name and the task's own metrics."""
    with pytest.raises(UnknownNameError, match="did you mean 'macro_f1'") as caught:
        resolve_objective("macrof1", "multiclass")
    assert "roc_auc" not in str(caught.value)
    assert "top3_accuracy" in str(caught.value)
    with pytest.raises(UnknownNameError, match="unknown binary objective 'map'"):
        resolve_objective("map", "binary")


def test_nan_is_never_better():
    """A NaN beats nothing and is beaten by any number, in either direction."""
    for name in ("accuracy", "log_loss"):
        assert METRICS[name].better(0.5, than=math.nan)
        assert not METRICS[name].better(math.nan, than=0.5)
        assert not METRICS[name].better(math.nan, than=math.nan)
    assert METRICS["log_loss"].better(0.1, than=0.2)
    assert not METRICS["accuracy"].better(0.1, than=0.2)
