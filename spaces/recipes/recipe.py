"""The settings of one training, drawn from a space or written down for a published reference."""

from __future__ import annotations

from dataclasses import dataclass, field

import keras

from ...datasets.base import DataSpec
from ..base import Candidate, FineTuning, Recipe
from .augmentation import Augmentation, AugmentationSettings, PlainEnd
from .class_weights import WeightSettings
from .fine_tuning import LoweredRate, Unfreezing, prepared
from .losses import ExampleLoss, LossSettings
from .optimizers import OptimizerSettings
from .schedules import ScheduleSettings
from .views import Views, five_crops, mirror, ten_crops


@dataclass(frozen=True)
class RecipeSettings(Recipe):
    """Everything about one training except the network, the data and the budget."""

    optimizer: OptimizerSettings
    batch_size: int
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    class_weights: WeightSettings = field(default_factory=WeightSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    cropped_margin: int | None = None
    """Pixels that the network cuts off at each side, over which answers are averaged as ten crops; None for neither."""

    def candidate(
        self, network: keras.Model, spec: DataSpec, *, epochs: int, seed: int, fine_tuning: FineTuning | None = None
    ) -> Candidate:
        steps = -(-spec.train_size // self.batch_size)
        rate = self.schedule.rate(self.optimizer.learning_rate, steps=steps * epochs)
        callbacks = self.schedule.callbacks()
        if fine_tuning is not None and not isinstance(rate, float):
            rate = LoweredRate(rate, steps * fine_tuning.first_epoch(epochs), fine_tuning.rate_factor)
        optimizer = self.optimizer.build(rate, steps_per_epoch=steps)
        if fine_tuning is not None:
            backbone = prepared(network, optimizer, stage_factor=fine_tuning.stage_factor)
            callbacks = (Unfreezing(backbone, fine_tuning, epochs=epochs), *callbacks)
        augmentation = Augmentation(self.augmentation, seed=seed) if self.augmentation.is_active else None
        if augmentation is not None and self.augmentation.plain_share:
            callbacks = (*callbacks, PlainEnd(augmentation, epochs=epochs, share=self.augmentation.plain_share))
        return Candidate(
            network=network,
            optimizer=optimizer,
            loss=ExampleLoss(self.loss, spec.task, self.class_weights.weights(spec)),
            batch_size=self.batch_size,
            augmentation=augmentation,
            callbacks=callbacks,
            views=self.views,
        )

    @property
    def views(self) -> Views | None:
        if self.cropped_margin is not None:
            return ten_crops(self.cropped_margin)
        chosen = self.augmentation
        if chosen.cropped_answers:
            return five_crops(mirrored=bool(chosen.mirrored_answers))
        return mirror if chosen.mirrored_answers else None
