"""Losses that yield one number per example: cross-entropy, focal and asymmetric, with smoothing and class weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner
import numpy as np
from keras import ops
from numpy.typing import NDArray

from ...datasets.base import DataSpec, Task

SMALLEST = keras.config.epsilon()


@dataclass(frozen=True)
class LossSettings:
    """A loss by name and its settings; a setting that the loss does not have is None."""

    name: str = "cross_entropy"
    """cross_entropy, focal or asymmetric; asymmetric is for multilabel tasks only."""
    label_smoothing: float | None = None
    """Share of the target that is spread over all classes, 0 to 1; a setting of cross_entropy."""
    gamma: float | None = None
    """Strength with which focal loss discounts images that are answered well."""
    gamma_negative: float | None = None
    """Strength with which asymmetric loss discounts labels that an image does not carry and that are answered well."""
    gamma_positive: float | None = None
    """Strength with which it discounts labels that an image carries and that are answered well."""
    margin: float | None = None
    """Probability below which a label that an image does not carry costs nothing; a setting of asymmetric."""


def declare(hp: keras_tuner.HyperParameters, spec: DataSpec) -> LossSettings:
    """Declares the losses that fit the task, each with its own settings."""
    names = ["cross_entropy", "focal"] + (["asymmetric"] if spec.task == "multilabel" else [])
    name = hp.Choice("loss", names, default="cross_entropy")
    with hp.conditional_scope("loss", ["cross_entropy"]):
        smoothing = hp.Float("label_smoothing", 0.0, 0.2, step=0.05, default=0.0)
    with hp.conditional_scope("loss", ["focal"]):
        gamma = hp.Float("focal_gamma", 0.5, 5.0, step=0.5, default=2.0)
    if spec.task != "multilabel":
        return LossSettings(name, smoothing, gamma)
    with hp.conditional_scope("loss", ["asymmetric"]):
        negative = hp.Float("gamma_negative", 1.0, 6.0, step=1.0, default=4.0)
        positive = hp.Float("gamma_positive", 0.0, 1.0, step=0.5, default=0.0)
        margin = hp.Float("margin", 0.0, 0.2, step=0.05, default=0.05)
    return LossSettings(name, smoothing, gamma, negative, positive, margin)


@dataclass(frozen=True, eq=False)
class ExampleLoss:
    """A loss that maps targets and probabilities, float32 (batch, outputs), to one loss per example, float32 (batch,).

    Targets may be smooth or mixed.
    """

    settings: LossSettings
    task: Task
    class_weights: NDArray[np.float32] | None = None
    """float32 (classes,), or None for no weighting; the module `class_weights` says what a weight multiplies."""

    def __call__(self, targets: Any, probabilities: Any) -> Any:
        targets = ops.cast(targets, "float32")
        # Clipped before Keras's losses, too: inside a graph they would otherwise go back to the logits of a softmax
        # layer, and then yield other numbers than outside of one.
        probabilities = ops.clip(ops.cast(probabilities, "float32"), SMALLEST, 1.0 - SMALLEST)
        if self.task == "multiclass":
            losses = self._over_classes(targets, probabilities)
        else:
            losses = self._over_labels(targets, probabilities)
        if self.class_weights is None or self.task == "multilabel":
            return losses
        return losses * self._example_weights(targets)

    def _over_classes(self, targets: Any, probabilities: Any) -> Any:
        smoothing = self.settings.label_smoothing or 0.0
        if self.settings.gamma is None:
            return keras.losses.categorical_crossentropy(targets, probabilities, label_smoothing=smoothing)
        return keras.losses.categorical_focal_crossentropy(
            targets, probabilities, alpha=1.0, gamma=self.settings.gamma, label_smoothing=smoothing
        )

    # Not Keras's binary losses: class weights and the asymmetric loss need the positive and the negative term apart,
    # and Keras's focal loss has one factor for both, which on targets blended by MixUp or CutMix is another loss
    # (0.7 times this one in the median over random targets and answers, and down to a hundredth).
    def _over_labels(self, targets: Any, probabilities: Any) -> Any:
        settings = self.settings
        smoothing = settings.label_smoothing or 0.0
        smooth = targets * (1.0 - smoothing) + smoothing / 2.0
        wrong_yes, margin = probabilities, settings.margin or 0.0
        if margin:
            wrong_yes = ops.maximum(probabilities - margin, SMALLEST)
        positive = -smooth * ops.log(probabilities)
        negative = -(1.0 - smooth) * ops.log(1.0 - wrong_yes)
        if settings.name == "focal" and settings.gamma is not None:
            # Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, equation 4.
            positive = positive * (1.0 - probabilities) ** settings.gamma
            negative = negative * probabilities**settings.gamma
        if settings.name == "asymmetric":
            # Source: Ridnik et al., Asymmetric Loss for Multi-Label Classification, ICCV 2021, equations 5 to 7.
            positive = positive * (1.0 - probabilities) ** (settings.gamma_positive or 0.0)
            negative = negative * wrong_yes ** (settings.gamma_negative or 0.0)
        if self.class_weights is not None and self.task == "multilabel":
            positive = positive * self.class_weights
        return ops.mean(positive + negative, axis=-1)

    def _example_weights(self, targets: Any) -> Any:
        assert self.class_weights is not None
        if self.task == "binary":
            no, yes = float(self.class_weights[0]), float(self.class_weights[1])
            return targets[:, 0] * yes + (1.0 - targets[:, 0]) * no
        return ops.sum(targets * self.class_weights, axis=-1)
