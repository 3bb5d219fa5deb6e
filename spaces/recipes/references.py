"""The recipes of articles that a search is held against, with a note where an article leaves a value open."""

from __future__ import annotations

from dataclasses import dataclass, fields

import keras_tuner

from ...datasets.base import DataSpec
from .augmentation import AugmentationSettings
from .class_weights import WeightSettings
from .optimizers import OptimizerSettings
from .recipe import RecipeSettings
from .schedules import ScheduleSettings

# Pixels that the network `fer2013-vgg` cuts off at each side.
FER2013_CROPPED_MARGIN = 4


@dataclass(frozen=True)
class PublishedRecipe:
    """A space of one recipe, declared as fixed parameters so that it is shown, hashed and logged like any other."""

    recipe: RecipeSettings

    def declare(self, hp: keras_tuner.HyperParameters, spec: DataSpec) -> RecipeSettings:
        recipe = self.recipe
        hp.Fixed("optimizer", recipe.optimizer.name)
        hp.Fixed("learning_rate", recipe.optimizer.learning_rate)
        hp.Fixed("batch_size", recipe.batch_size)
        hp.Fixed("loss", recipe.loss.name)
        hp.Fixed("class_weights", recipe.class_weights.name)
        if recipe.schedule.name != "constant":
            hp.Fixed("schedule", recipe.schedule.name)
        for setting in fields(recipe.augmentation):
            value = getattr(recipe.augmentation, setting.name)
            if value is not None:
                hp.Fixed(setting.name, value)
        return recipe


def emotion() -> PublishedRecipe:
    """Adam at Keras's default rate.

    The article names the kinds of augmentation but not their strengths, so those of the Keras tutorial are taken.
    """
    augmentation = AugmentationSettings(flip="horizontal", rotation=40.0, shift=0.2, zoom=0.2, shear=0.2)
    return PublishedRecipe(RecipeSettings(OptimizerSettings("adam", 1e-3), batch_size=32, augmentation=augmentation))


def simpsons() -> PublishedRecipe:
    """RMSprop as in the Keras example, with small rotations, shifts and flips."""
    augmentation = AugmentationSettings(flip="horizontal", rotation=10.0, shift=0.1)
    return PublishedRecipe(RecipeSettings(OptimizerSettings("rmsprop", 1e-4), batch_size=32, augmentation=augmentation))


def fer2013() -> PublishedRecipe:
    """Adam at a tenth of Keras's default rate, with shifts, zooms and flips."""
    augmentation = AugmentationSettings(flip="horizontal", shift=0.1, zoom=0.2)
    return PublishedRecipe(RecipeSettings(OptimizerSettings("adam", 1e-4), batch_size=64, augmentation=augmentation))


def fer2013_vgg() -> PublishedRecipe:
    """SGD with Nesterov momentum, a plateau on the accuracy, strong shifts, erasing, and ten crops for each answer.

    The article changes each image by half of its kinds of augmentation at random, which are all applied here, and takes
    random crops, which the shifts stand for.
    """
    optimizer = OptimizerSettings("sgd", 0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
    augmentation = AugmentationSettings(flip="horizontal", rotation=10.0, shift=0.2, zoom=0.2, erasing=0.1)
    return PublishedRecipe(
        RecipeSettings(
            optimizer,
            batch_size=64,
            schedule=ScheduleSettings("plateau", factor=0.75, patience=5, watches="objective"),
            augmentation=augmentation,
            cropped_margin=FER2013_CROPPED_MARGIN,
        )
    )


def voc2012() -> PublishedRecipe:
    """Adam at Keras's default rate, with class weights total / count on the positive term of the loss."""
    weights = WeightSettings("total_over_count")
    return PublishedRecipe(RecipeSettings(OptimizerSettings("adam", 1e-3), batch_size=20, class_weights=weights))
