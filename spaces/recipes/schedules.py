"""Learning-rate schedules over a trial's budget of steps."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import keras_tuner

from ..base import OBJECTIVE_LOG

# Names of what a plateau schedule may watch, lower is better, in the logs of an epoch.
WATCHED = {"loss": "val_loss", "objective": OBJECTIVE_LOG}


@dataclass(frozen=True)
class ScheduleSettings:
    """A schedule by name and its settings; a setting that the schedule does not have is None."""

    name: str = "constant"
    """constant, cosine, restarts, step or plateau."""
    warmup: float | None = None
    """Share of all steps in which a cosine schedule climbs to its peak."""
    drops: int | None = None
    """Number of drops of a step schedule, at even intervals."""
    factor: float | None = None
    """Factor on the rate at each drop of a step or plateau schedule."""
    restarts: int | None = None
    """Number of times that a schedule with restarts climbs back to its peak."""
    patience: int | None = None
    """Epochs without a better value before a plateau schedule drops."""
    watches: str | None = None
    """The value that a plateau schedule watches: the validation loss, or the objective of the search."""

    def rate(self, peak: float, *, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
        """Returns the learning rate over a training.

        Args:
            peak: The highest rate.
            steps: The steps of the whole training.

        Returns:
            A number where no schedule is needed: for constant, and for plateau, which is a callback.
        """
        if self.name == "cosine":
            warmup = int(steps * (self.warmup or 0.0))
            if not warmup:
                return keras.optimizers.schedules.CosineDecay(peak, max(1, steps))
            return keras.optimizers.schedules.CosineDecay(
                peak / warmup, max(1, steps - warmup), warmup_target=peak, warmup_steps=warmup
            )
        if self.name == "restarts":
            # Cycles of equal length, each of which begins at the peak.
            cycles = (self.restarts or 0) + 1
            return keras.optimizers.schedules.CosineDecayRestarts(peak, max(1, -(-steps // cycles)), t_mul=1.0)
        if self.name == "step":
            count = (self.drops or 0) + 1
            boundaries = sorted({max(1, steps * index // count) for index in range(1, count)})
            values = [peak * (self.factor or 1.0) ** index for index in range(len(boundaries) + 1)]
            return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)
        return peak

    def callbacks(self) -> tuple[keras.callbacks.Callback, ...]:
        """Returns the callback of a plateau schedule; none for any other."""
        if self.name != "plateau":
            return ()
        return (
            keras.callbacks.ReduceLROnPlateau(
                monitor=WATCHED[self.watches or "loss"],
                mode="min",
                factor=self.factor,
                patience=self.patience,
                min_lr=1e-7,
            ),
        )


def declare(hp: keras_tuner.HyperParameters) -> ScheduleSettings:
    """Declares the schedule and its settings."""
    name = hp.Choice("schedule", ["constant", "cosine", "restarts", "step", "plateau"], default="cosine")
    with hp.conditional_scope("schedule", ["cosine"]):
        warmup = hp.Float("warmup", 0.0, 0.4, step=0.05, default=0.05)
    with hp.conditional_scope("schedule", ["restarts"]):
        restarts = hp.Int("restarts", 1, 3, default=1)
    with hp.conditional_scope("schedule", ["step"]):
        drops = hp.Int("drops", 1, 3, default=2)
        step_factor = hp.Float("drop_factor", 0.1, 0.5, step=0.1, default=0.1)
    with hp.conditional_scope("schedule", ["plateau"]):
        plateau_factor = hp.Float("plateau_factor", 0.1, 0.8, step=0.05, default=0.3)
        patience = hp.Int("plateau_patience", 2, 6, default=3)
    factor = step_factor if name == "step" else plateau_factor
    return ScheduleSettings(name, warmup=warmup, drops=drops, factor=factor, restarts=restarts, patience=patience)
