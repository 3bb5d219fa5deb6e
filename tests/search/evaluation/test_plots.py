from __future__ import annotations

import csv
import time

import numpy as np
import pytest
from PIL import Image

from apertune.search.evaluation.metrics import evaluate
from apertune.search.evaluation.plots import write_trial_artifacts
from apertune.search.evaluation.plots.confusion import confusion_figure
from apertune.search.evaluation.plots.examples import (
    FRAME,
    GUTTER,
    TILE,
    TITLE_HEIGHT,
    Example,
    confident_mistakes,
    grid,
)
from apertune.search.evaluation.plots.learning import learning_curves
from apertune.search.evaluation.plots.minimum import acceptance_figure, certainty_figure
from apertune.search.evaluation.probabilities import expected_calibration_error

EVERY_TASK = {
    "learning_curves.png", "predictions.npz", "scores.csv", "classes.csv", "mistakes.csv", "confusion_matrix.png",
    "class_scores.png", "reliability.png", "minimum_probability.png", "certainty.png", "predictions.png",
    "mistakes.png",
}  # fmt: skip
OWN = {
    "binary": {"roc_precision_recall.png", "thresholds.png", "probability_histogram.png", "confused_pairs.csv"},
    "multiclass": {"confused_pairs.csv"},
    "multilabel": {"averages.csv", "label_reliability.png"},
}
HISTORY = [
    {"loss": 1.0 / n, "val_loss": 1.2 / n, "val_accuracy": 1 - 0.5 / n, "learning_rate": 1e-3} for n in (1, 2, 3)
]


def evaluation(task, classes=5, rows=60, channels=3, names=None):
    """Random labels, and probabilities that mostly agree with them."""
    random = np.random.default_rng(0)
    classes = 2 if task == "binary" else classes
    if task == "multilabel":
        labels = (random.random((rows, classes)) < 0.3).astype(np.uint8)
        probabilities = np.clip(0.6 * labels + random.random((rows, classes)) * 0.5, 0, 1)
    else:
        labels = random.integers(0, classes, rows, dtype=np.int32)
        likely = np.eye(classes)[labels] + random.random((rows, classes))
        probabilities = likely / likely.sum(axis=1, keepdims=True)
        probabilities = probabilities[:, 1:] if task == "binary" else probabilities
    return {
        "task": task,
        "classes": names or [f"class {number}" for number in range(classes)],
        "labels": labels,
        "probabilities": probabilities.astype(np.float32),
        "images": random.integers(0, 256, (rows, 10, 14, channels), dtype=np.uint8),
        "history": HISTORY,
    }


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("task", "channels"), [("binary", 1), ("multiclass", 3), ("multilabel", 4)])
def test_writes_what_each_task_needs(task, channels, tmp_path):
    """Every task gets its plots as PNG, its tables as CSV and its predictions as NPZ, and no other file."""
    given = evaluation(task, channels=channels)
    files = write_trial_artifacts(tmp_path / "new", **given)
    assert {file.name for file in files} == EVERY_TASK | OWN[task]
    assert set((tmp_path / "new").iterdir()) == set(files)
    for file in files:
        if file.suffix == ".png":
            with Image.open(file) as picture:
                picture.load()
                assert min(picture.size) > 100
    with np.load(tmp_path / "new" / "predictions.npz") as saved:
        assert np.array_equal(saved["labels"], given["labels"])
        assert np.array_equal(saved["probabilities"], given["probabilities"])


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_scores_stand_beside_baseline_and_reference(task, tmp_path):
    """The table of scores holds every metric with what class frequencies alone score and the published reference."""
    given = evaluation(task)
    write_trial_artifacts(tmp_path, **given, reference={"log_loss": 0.25})
    rows = {row["metric"]: row for row in table(tmp_path / "scores.csv")}
    scores = evaluate(task, given["labels"], given["probabilities"])
    assert set(rows) == set(scores)
    for name, value in scores.items():
        assert float(rows[name]["value"]) == pytest.approx(value, rel=1e-5)
    assert float(rows["log_loss"]["value"]) < float(rows["log_loss"]["class_frequencies_alone"])
    assert rows["log_loss"]["published_reference"] == "0.25"


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("kind", ["one row", "one class, constant", "all right"])
def test_degenerate_evaluations_are_drawn(task, kind, tmp_path):
    """One row, one class with constant probabilities, and no mistake at all give all files and no warning."""
    given = evaluation(task, rows=1 if kind == "one row" else 12)
    if kind == "one class, constant":
        given["labels"] = np.zeros_like(given["labels"])
        given["probabilities"] = np.full_like(given["probabilities"], 0.2)
    elif kind == "all right":
        truth = given["labels"] if task != "multiclass" else np.eye(5)[given["labels"]]
        given["probabilities"] = truth.reshape(given["probabilities"].shape).astype(np.float32)
    files = write_trial_artifacts(tmp_path, **{**given, "history": HISTORY[:1]})
    assert {file.name for file in files} == EVERY_TASK | OWN[task]


def test_broken_probabilities_keep_curves_and_predictions(tmp_path):
    """With a NaN among the probabilities, or without rows, the learning curves and the predictions are still kept."""
    given = evaluation("multiclass")
    given["probabilities"][0, 0] = np.nan
    assert {file.name for file in write_trial_artifacts(tmp_path, **given)} == {
        "learning_curves.png",
        "predictions.npz",
    }
    empty = {name: given[name][:0] for name in ("labels", "probabilities", "images")}
    files = write_trial_artifacts(tmp_path, **{**given, **empty, "history": []})
    assert {file.name for file in files} == {"learning_curves.png", "predictions.npz"}


def test_any_name_of_a_class_is_drawn(tmp_path):
    """Class names with dollars, underscores, line breaks, other scripts and great length break no plot."""
    names = ["$a_b$ {", "two\nlines", "猫", "x" * 90, "_hidden"]
    for task in ("multiclass", "multilabel"):
        write_trial_artifacts(tmp_path, **evaluation(task, names=names))
    assert [row["class"] for row in table(tmp_path / "classes.csv")] == names


def test_binary_rates_are_named_and_placed():
    """Rows of the binary matrix are true classes: a false positive stands right of a true negative, rates by row."""
    labels = np.array([0, 0, 0, 0, 1, 1], np.int32)
    probabilities = np.array([0.1, 0.2, 0.3, 0.9, 0.8, 0.2], np.float32)[:, None]
    figure = confusion_figure("binary", ["cat", "dog"], labels, probabilities)
    texts = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert texts == {
        (0, 0): "true negative\n3\nrate 75.0%",
        (1, 0): "false positive\n1\nrate 25.0%",
        (0, 1): "false negative\n1\nrate 50.0%",
        (1, 1): "true positive\n1\nrate 50.0%",
    }


def test_most_confident_mistakes_come_first():
    """Mistakes are the wrong answers by falling probability; a multilabel row can be wrong once a class."""
    labels = np.array([0, 1, 2], np.int32)
    probabilities = np.array([[0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.9, 0.1, 0.0]], np.float32)
    mistakes = confident_mistakes("multiclass", "abc", labels, probabilities, 9)
    assert [(m.row, m.true, m.predicted) for m in mistakes] == [(2, "c", "a"), (0, "a", "b")]
    multi = confident_mistakes("multilabel", "ab", np.array([[1, 0]], np.uint8), np.array([[0.1, 0.75]], np.float32), 9)
    assert [(m.true, m.predicted, round(m.probability, 2)) for m in multi] == [("a", "no a", 0.9), ("no b", "b", 0.75)]


def test_origins_lead_back_to_the_files(tmp_path):
    """The table of mistakes names the file that each picture came from."""
    given = evaluation("multiclass", rows=100)
    given["probabilities"] = given["probabilities"][::-1].copy()
    write_trial_artifacts(tmp_path, **given, origins=[f"folder/{row}.png" for row in range(100)])
    mistakes = table(tmp_path / "mistakes.csv")
    assert mistakes
    assert all(row["origin"] == f"folder/{row['row']}.png" for row in mistakes)


def test_a_trial_is_drawn_quickly(tmp_path):
    """All files of 3,000 images of 7 classes take a few seconds at most (about two on one slow core)."""
    given = evaluation("multiclass", classes=7, rows=3000)
    started = time.process_time()
    write_trial_artifacts(tmp_path, **given)
    assert time.process_time() - started < 6


def test_text_of_one_picture_stays_below_it():
    """However long its names, a picture's text does not run into the next one's."""
    images = np.zeros((2, 8, 8, 1), np.uint8)
    long = Example(0, f"{'W' * 80}\ntrue: {'W' * 80}", right=False)
    board = np.asarray(grid("", [long, Example(1, "", right=True)], images)).astype(int)
    text = board[TITLE_HEIGHT + TILE + 1 :]
    assert (text < 200).any()
    assert (text[:, GUTTER + TILE + FRAME + 1 :] == 255).all()


def test_learning_curves_show_baseline_and_reference():
    """A metric's panel has level lines at what class frequencies alone and the published reference score."""
    figure = learning_curves(HISTORY, "accuracy", {"accuracy": 0.25, "log_loss": 1.5}, {"accuracy": 0.75})
    loss, accuracy, rate = figure.axes
    levels = {line.get_label(): line.get_ydata()[0] for line in accuracy.lines if line.get_linestyle() == "--"}
    assert levels == {"class frequencies": 0.25, "published": 0.75}
    assert [line.get_ydata()[0] for line in loss.lines if line.get_linestyle() == "--"] == [1.5]
    assert rate.get_yscale() == "log"
    assert "best epoch, 3" in loss.get_title()


def test_a_learning_rate_that_ends_at_zero_is_drawn_whole():
    """A rate that falls to 0 is on a plain scale, where 0 can be seen."""
    (rate,) = learning_curves([{"learning_rate": 1e-3}, {"learning_rate": 0.0}]).axes
    assert rate.get_yscale() == "linear"
    assert list(rate.lines[0].get_ydata()) == [1e-3, 0.0]


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_each_of_many_classes_can_be_found(task):
    """With 42 classes, precision, recall and F1 over the minimum probability are rows that bear their class's name."""
    given = evaluation(task, classes=42, rows=200)
    figure = acceptance_figure(given["classes"], given["labels"], given["probabilities"])
    for panel in figure.axes[1:]:
        assert [label.get_text() for label in panel.get_yticklabels()] == given["classes"]
        assert panel.images[0].get_array().shape == (42, 101)


def test_a_panel_needs_a_validation_line():
    """A number that only training has, such as Keras's accuracy of several labels, gets no panel of learning curves."""
    history = [{"loss": 1.0, "val_loss": 1.1, "accuracy": 0.5, "learning_rate": 0.1, "val_map": 0.4}] * 3
    titles = [axes.get_title() for axes in learning_curves(history, "map").axes]
    assert [title.split(" (")[0] for title in titles] == ["loss", "map", "learning rate"]


def test_several_labels_have_axes_and_no_gap():
    """Each matrix of several labels names its axes, and no plot shows the gap between the two best labels."""
    given = evaluation("multilabel")
    figure = confusion_figure("multilabel", given["classes"], given["labels"], given["probabilities"])
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words.count("predicted yes") == words.count("true no") == len(given["classes"])
    drawn = certainty_figure(given["labels"], given["probabilities"])
    assert [axes.get_xlabel() for axes in drawn.axes] == ["best probability", "share of images refused"]


def test_calibration_is_told_per_label(tmp_path):
    """The table of classes has the calibration error of each label, that of the column alone."""
    given = evaluation("multilabel")
    write_trial_artifacts(tmp_path, **given)
    rows = table(tmp_path / "classes.csv")
    for number, row in enumerate(rows):
        column = slice(number, number + 1)
        expected = expected_calibration_error(given["labels"][:, number], given["probabilities"][:, column])
        assert float(row["calibration_error"]) == pytest.approx(expected, rel=1e-4)
        assert float(row["mean_probability"]) == pytest.approx(given["probabilities"][:, number].mean(), rel=1e-4)
