"""A recipe: how one network is trained. Settings drawn from a space, or written down for a published reference."""

from __future__ import annotations

from dataclasses import dataclass, field

import keras

from ...datasets.base import DataSpec
from ..base import Candidate
from .augmentation import Augmentation, AugmentationSettings
from .class_weights import WeightSettings
from .losses import ExampleLoss, LossSettings
from .optimizers import OptimizerSettings
from .schedules import ScheduleSettings


@dataclass(frozen=True)
class Recipe:
    """Everything about one training but the network, the data and the budget."""

    optimizer: OptimizerSettings
    batch_size: int
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    class_weights: WeightSettings = field(default_factory=WeightSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)

    def candidate(self, network: keras.Model, spec: DataSpec, *, epochs: int, seed: int) -> Candidate:
        """The network with this recipe, laid out over so many epochs. seed: of the augmentation."""
        steps = epochs * -(-spec.train_size // self.batch_size)
        return Candidate(
            network=network,
            optimizer=self.optimizer.build(self.schedule.rate(self.optimizer.learning_rate, steps=steps)),
            loss=ExampleLoss(self.loss, spec.task, self.class_weights.weights(spec)),
            batch_size=self.batch_size,
            augmentation=Augmentation(self.augmentation, seed=seed) if self.augmentation.is_active else None,
            callbacks=self.schedule.callbacks(),
        )
