"""Losses, one number an example: cross-entropy, focal, asymmetric; label smoothing and class weights included."""

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
    """name: cross_entropy, focal or asymmetric (multilabel only). Its own settings are None where not active.

    label_smoothing: of cross_entropy, 0 to 1. gamma: focal's. gamma_negative, gamma_positive, margin: asymmetric's.
    """

    name: str = "cross_entropy"
    label_smoothing: float | None = None
    gamma: float | None = None
    gamma_negative: float | None = None
    gamma_positive: float | None = None
    margin: float | None = None


def declare(hp: keras_tuner.HyperParameters, spec: DataSpec) -> LossSettings:
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
    """Called with targets and probabilities, float32 (batch, outputs), it yields one loss an example (batch,).

    Targets may be smooth or mixed. class_weights: float32 (classes,), or None; see `class_weights` for what a
    weight multiplies in each task.
    """

    settings: LossSettings
    task: Task
    class_weights: NDArray[np.float32] | None = None

    def __call__(self, targets: Any, probabilities: Any) -> Any:
        targets = ops.cast(targets, "float32")
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
        smooth = targets * (1.0 - smoothing) + smoothing / targets.shape[-1]
        elements = -smooth * ops.log(probabilities)
        if self.settings.gamma is not None:
            # Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, equation 4.
            elements = elements * (1.0 - probabilities) ** self.settings.gamma
        return ops.sum(elements, axis=-1)

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
            positive = positive * (1.0 - probabilities) ** settings.gamma
            negative = negative * probabilities**settings.gamma
        if settings.name == "asymmetric":
            # Ridnik et al., Asymmetric Loss for Multi-Label Classification, ICCV 2021, equations 5 to 7.
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
