from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from apertune.datasets.base import Task
from apertune.spaces.recipes.losses import ExampleLoss, LossSettings

TARGETS = np.eye(3, dtype=np.float32)[[0, 2, 1]]
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.3, 0.4, 0.3]], np.float32)
LABELS = np.array([[1, 0, 1], [0, 0, 1]], np.float32)
SIGMOIDS = np.array([[0.9, 0.2, 0.4], [0.3, 0.05, 0.6]], np.float32)


def array(tensor: Any) -> Any:
    return np.asarray(tensor)


def test_cross_entropy_is_keras_s() -> None:
    """Plain cross-entropy equals that of Keras, example by example, for classes, labels and label smoothing."""
    for smoothing in (0.0, 0.1):
        settings = LossSettings(label_smoothing=smoothing)
        expected = keras.losses.categorical_crossentropy(TARGETS, PROBABILITIES, label_smoothing=smoothing)
        assert array(ExampleLoss(settings, "multiclass")(TARGETS, PROBABILITIES)) == pytest.approx(
            array(expected), rel=1e-5
        )
        expected = keras.losses.binary_crossentropy(LABELS, SIGMOIDS, label_smoothing=smoothing)
        assert array(ExampleLoss(settings, "multilabel")(LABELS, SIGMOIDS)) == pytest.approx(array(expected), rel=1e-5)


def test_focal_loss_is_keras_s_without_alpha() -> None:
    """Focal loss equals Keras's focal cross-entropy with alpha 1, for classes and for labels."""
    settings = LossSettings("focal", gamma=2.0)
    expected = keras.losses.categorical_focal_crossentropy(TARGETS, PROBABILITIES, alpha=1.0, gamma=2.0)
    assert array(ExampleLoss(settings, "multiclass")(TARGETS, PROBABILITIES)) == pytest.approx(
        array(expected), rel=1e-4
    )
    expected = keras.losses.binary_focal_crossentropy(LABELS, SIGMOIDS, gamma=2.0)
    assert array(ExampleLoss(settings, "multilabel")(LABELS, SIGMOIDS)) == pytest.approx(array(expected), rel=1e-4)


@pytest.mark.parametrize("gamma", [None, 0.5, 2.0])
def test_blended_targets_follow_the_formulas(gamma: float | None) -> None:
    """On blends of two classes or images each term of cross-entropy and focal loss has its own share and factor."""
    settings = LossSettings() if gamma is None else LossSettings("focal", gamma=gamma)
    power = gamma or 0.0
    blended = np.array([[0.75, 0.25, 0.0], [0.0, 0.5, 0.5], [0.25, 0.0, 0.75]], np.float32)
    expected = -(blended * (1 - PROBABILITIES) ** power * np.log(PROBABILITIES)).sum(axis=1)
    assert array(ExampleLoss(settings, "multiclass")(blended, PROBABILITIES)) == pytest.approx(expected, rel=1e-5)
    positive = blended[:2] * (1 - SIGMOIDS) ** power * np.log(SIGMOIDS)
    negative = (1 - blended[:2]) * SIGMOIDS**power * np.log(1 - SIGMOIDS)
    expected = -(positive + negative).mean(axis=1)
    assert array(ExampleLoss(settings, "multilabel")(blended[:2], SIGMOIDS)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("settings", [LossSettings(label_smoothing=0.1), LossSettings("focal", gamma=2.0)])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_losses_are_the_same_inside_a_graph(settings: LossSettings, task: Task) -> None:
    """Answers that are all but certain cost the same in a TensorFlow graph, where Keras knows their logits."""
    logits = np.array([[30.0, -30.0, 0.0], [-25.0, 20.0, 5.0]], np.float32)
    activation = tf.nn.softmax if task == "multiclass" else tf.sigmoid
    loss = ExampleLoss(settings, task)

    def of_logits(values: Any) -> Any:
        return loss(TARGETS[1:], activation(values))

    inside = tf.function(of_logits)(tf.constant(logits))
    assert array(inside) == pytest.approx(array(of_logits(tf.constant(logits))), rel=1e-5)


def test_asymmetric_loss_follows_ridnik() -> None:
    """The asymmetric loss is the paper's formula: easy negatives are shifted by the margin and focused harder."""
    settings = LossSettings("asymmetric", gamma_negative=4.0, gamma_positive=1.0, margin=0.1)
    shifted = np.maximum(SIGMOIDS - 0.1, 1e-7)
    positive = LABELS * (1 - SIGMOIDS) * np.log(SIGMOIDS)
    negative = (1 - LABELS) * shifted**4 * np.log(1 - shifted)
    found = ExampleLoss(settings, "multilabel")(LABELS, SIGMOIDS)
    assert array(found) == pytest.approx(-(positive + negative).mean(axis=1), rel=1e-4)


def gradient(loss: ExampleLoss, targets: Any, probabilities: Any) -> Any:
    variable = tf.Variable(probabilities)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(loss(targets, variable))
    return array(tape.gradient(total, variable))


@pytest.mark.parametrize("settings", [LossSettings(label_smoothing=0.1), LossSettings("focal", gamma=1.5)])
def test_class_weights_multiply_the_gradient_of_their_class(settings: LossSettings) -> None:
    """A class's weight multiplies the whole gradient of the class's examples, whatever the loss."""
    weights = np.array([0.5, 2.0, 3.0], np.float32)
    plain = gradient(ExampleLoss(settings, "multiclass"), TARGETS, PROBABILITIES)
    weighted = gradient(ExampleLoss(settings, "multiclass", weights), TARGETS, PROBABILITIES)
    assert weighted == pytest.approx(plain * weights[TARGETS.argmax(axis=1)][:, None], rel=1e-5)


def test_binary_weights_multiply_the_gradient_of_their_class() -> None:
    """In a binary task the first weight is the negative class's and the second the positive's."""
    targets, probabilities = np.array([[0.0], [1.0]], np.float32), np.array([[0.3], [0.6]], np.float32)
    plain = gradient(ExampleLoss(LossSettings(), "binary"), targets, probabilities)
    weights = np.array([0.25, 4.0], np.float32)
    weighted = gradient(ExampleLoss(LossSettings(), "binary", weights), targets, probabilities)
    assert weighted == pytest.approx(plain * weights[:, None], rel=1e-5)


def test_positive_weights_multiply_the_gradient_of_positive_labels_only() -> None:
    """In a multilabel task a label's weight touches the images that carry the label, and no other term."""
    weights = np.array([5.0, 1.0, 2.0], np.float32)
    plain = gradient(ExampleLoss(LossSettings(), "multilabel"), LABELS, SIGMOIDS)
    weighted = gradient(ExampleLoss(LossSettings(), "multilabel", weights), LABELS, SIGMOIDS)
    assert weighted == pytest.approx(plain * np.where(LABELS == 1, weights, 1.0), rel=1e-5)


def test_mixed_targets_are_weighted_by_their_shares() -> None:
    """A blend of two classes has the blend of their weights."""
    targets = np.array([[0.75, 0.25, 0.0]], np.float32)
    weights = np.array([1.0, 5.0, 1.0], np.float32)
    plain = array(ExampleLoss(LossSettings(), "multiclass")(targets, PROBABILITIES[:1]))
    weighted = array(ExampleLoss(LossSettings(), "multiclass", weights)(targets, PROBABILITIES[:1]))
    assert weighted == pytest.approx(plain * 2.0)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "asymmetric"])
def test_certainty_gives_finite_losses_and_gradients(name: str) -> None:
    """Probabilities of exactly 0 and 1, right or wrong, give no infinite or undefined number."""
    settings = LossSettings(name, gamma=0.5, gamma_negative=1.0, gamma_positive=0.0, margin=0.2)
    certain = np.array([[0.0, 1.0, 0.0], [1.0, 1.0, 0.0]], np.float32)
    for task, targets in (("multilabel", LABELS), ("multiclass", TARGETS[:2])):
        loss = ExampleLoss(settings, task)  # type: ignore[arg-type]  # a Task
        assert np.isfinite(array(loss(targets, certain))).all()
        assert np.isfinite(gradient(loss, targets, certain)).all()
