"""Optimizers and the range of learning rates that is searched for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner


@dataclass(frozen=True)
class RateRange:
    """The learning rates to search, on a log scale, and the default."""

    low: float
    high: float
    default: float


LEARNING_RATES: dict[str, RateRange] = {
    "adam": RateRange(1e-5, 1e-2, 1e-3),
    "adamw": RateRange(1e-5, 1e-2, 1e-3),
    "adamax": RateRange(1e-4, 3e-2, 2e-3),
    "rmsprop": RateRange(1e-5, 1e-2, 1e-3),
    "sgd": RateRange(1e-3, 0.5, 5e-2),
    "lion": RateRange(1e-6, 1e-3, 1e-4),
}
CLASSES: dict[str, type[keras.optimizers.Optimizer]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "adamax": keras.optimizers.Adamax,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
    "lion": keras.optimizers.Lion,
}
# Designed with weight decay: theirs is always searched, that of the others only when `decay_weights` is on.
DECAYING = ("adamw", "lion")
# Decay pulls weights towards zero, which is no natural value for these.
NOT_DECAYED = ["bias", "gamma", "beta"]


@dataclass(frozen=True)
class OptimizerSettings:
    """An optimizer by name and its settings; a setting that is not used is None."""

    name: str
    """A key of `CLASSES`."""
    learning_rate: float
    """The peak of the schedule."""
    momentum: float | None = None
    """For sgd only."""
    nesterov: bool | None = None
    """For sgd only."""
    weight_decay: float | None = None
    clip_norm: float | None = None
    """Largest norm of all gradients together."""
    averaged_epochs: float | None = None
    """Epochs that the moving average of the weights looks back on; None for no average."""

    def build(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule, *, steps_per_epoch: int = 1
    ) -> Any:
        """Builds the Keras optimizer.

        Args:
            learning_rate: A number or a schedule.
            steps_per_epoch: Batches per epoch, by which the average of the weights is measured.
        """
        own: dict[str, Any] = {}
        if self.averaged_epochs is not None:
            momentum = 1.0 - 1.0 / max(2.0, self.averaged_epochs * steps_per_epoch)
            own = {"use_ema": True, "ema_momentum": momentum}
        if self.name == "sgd":
            own |= {"momentum": self.momentum or 0.0, "nesterov": bool(self.nesterov)}
        optimizer = CLASSES[self.name](
            learning_rate, weight_decay=self.weight_decay, global_clipnorm=self.clip_norm, **own
        )
        if self.weight_decay is not None:
            optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
        return optimizer


def declare(hp: keras_tuner.HyperParameters) -> OptimizerSettings:
    """Declares the optimizer, its learning rate, momentum, weight decay and clipping."""
    name = hp.Choice("optimizer", list(LEARNING_RATES), default="adam")
    learning_rate = 0.0
    for candidate, rates in LEARNING_RATES.items():
        with hp.conditional_scope("optimizer", [candidate]):
            rate = hp.Float("learning_rate", rates.low, rates.high, sampling="log", default=rates.default)
            learning_rate = learning_rate if rate is None else rate
    with hp.conditional_scope("optimizer", ["sgd"]):
        momentum = hp.Float("momentum", 0.5, 0.99, default=0.9)
        nesterov = hp.Boolean("nesterov", default=True)
    weight_decay = _declare_decay(hp)
    clips = hp.Boolean("clip_gradients", default=False)
    with hp.conditional_scope("clip_gradients", [True]):
        clip_norm = hp.Float("clip_norm", 0.1, 10.0, sampling="log", default=1.0)
    averages = hp.Boolean("average_weights", default=False)
    with hp.conditional_scope("average_weights", [True]):
        averaged_epochs = hp.Float("averaged_epochs", 0.25, 4.0, step=2, sampling="log", default=1.0)
    return OptimizerSettings(
        name,
        learning_rate,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        clip_norm=clip_norm if clips else None,
        averaged_epochs=averaged_epochs if averages else None,
    )


def _declare_decay(hp: keras_tuner.HyperParameters) -> float | None:
    drawn: list[float | None] = []
    with hp.conditional_scope("optimizer", ["adamw"]):
        drawn.append(hp.Float("weight_decay", 1e-5, 1e-1, sampling="log", default=1e-2))
    with hp.conditional_scope("optimizer", ["lion"]):
        drawn.append(hp.Float("weight_decay", 1e-4, 1.0, sampling="log", default=1e-1))
    others = [name for name in LEARNING_RATES if name not in DECAYING]
    with hp.conditional_scope("optimizer", others):
        hp.Boolean("decay_weights", default=False)
        with hp.conditional_scope("decay_weights", [True]):
            drawn.append(hp.Float("weight_decay", 1e-6, 1e-2, sampling="log", default=5e-4))
    return next((decay for decay in drawn if decay is not None), None)
