"""Learning-rate schedules, laid out over a trial's budget of steps."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import keras_tuner


@dataclass(frozen=True)
class ScheduleSettings:
    """name: constant, cosine, step or plateau. Shares are of the whole training; None where not active.

    warmup: share of steps in which the rate climbs to its peak. drops: how often a step schedule drops, evenly
    spread. factor: what a drop, of step or plateau, multiplies the rate by. patience: epochs.
    """

    name: str = "constant"
    warmup: float | None = None
    drops: int | None = None
    factor: float | None = None
    patience: int | None = None

    def rate(self, peak: float, *, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
        """The learning rate over a training of so many steps; constant for plateau, which is a callback."""
        if self.name == "cosine":
            warmup = int(steps * (self.warmup or 0.0))
            if not warmup:
                return keras.optimizers.schedules.CosineDecay(peak, max(1, steps))
            return keras.optimizers.schedules.CosineDecay(
                peak / warmup, max(1, steps - warmup), warmup_target=peak, warmup_steps=warmup
            )
        if self.name == "step":
            count = (self.drops or 0) + 1
            boundaries = sorted({max(1, steps * index // count) for index in range(1, count)})
            values = [peak * (self.factor or 1.0) ** index for index in range(len(boundaries) + 1)]
            return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
        return peak

    def callbacks(self) -> tuple[keras.callbacks.Callback, ...]:
        if self.name != "plateau":
            return ()
        return (
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_loss", mode="min", factor=self.factor, patience=self.patience, min_lr=1e-7
            ),
        )


def declare(hp: keras_tuner.HyperParameters) -> ScheduleSettings:
    name = hp.Choice("schedule", ["constant", "cosine", "step", "plateau"], default="cosine")
    with hp.conditional_scope("schedule", ["cosine"]):
        warmup = hp.Float("warmup", 0.0, 0.2, step=0.05, default=0.05)
    with hp.conditional_scope("schedule", ["step"]):
        drops = hp.Int("drops", 1, 3, default=2)
        step_factor = hp.Float("drop_factor", 0.1, 0.5, step=0.1, default=0.1)
    with hp.conditional_scope("schedule", ["plateau"]):
        plateau_factor = hp.Float("plateau_factor", 0.1, 0.5, step=0.1, default=0.3)
        patience = hp.Int("plateau_patience", 2, 6, default=3)
    return ScheduleSettings(name, warmup, drops, step_factor if name == "step" else plateau_factor, patience)
