"""The recipes of the four articles this project grew from. Strengths that an article leaves open say so."""

from __future__ import annotations

from dataclasses import dataclass, fields

import keras_tuner

from ...datasets.base import DataSpec
from .augmentation import AugmentationSettings
from .class_weights import WeightSettings
from .optimizers import OptimizerSettings
from .recipe import Recipe


@dataclass(frozen=True)
class PublishedRecipe:
    """A space of one recipe, declared as fixed parameters so that it is shown, hashed and logged as any other."""

    recipe: Recipe

    def declare(self, hp: keras_tuner.HyperParameters, spec: DataSpec) -> Recipe:
        recipe = self.recipe
        hp.Fixed("optimizer", recipe.optimizer.name)
        hp.Fixed("learning_rate", recipe.optimizer.learning_rate)
        hp.Fixed("batch_size", recipe.batch_size)
        hp.Fixed("loss", recipe.loss.name)
        hp.Fixed("class_weights", recipe.class_weights.name)
        for setting in fields(recipe.augmentation):
            value = getattr(recipe.augmentation, setting.name)
            if value is not None:
                hp.Fixed(setting.name, value)
        return recipe


def emotion() -> PublishedRecipe:
    """Adam at Keras's rate. The article names the kinds of augmentation, not their strengths: Keras's tutorial's."""
    augmentation = AugmentationSettings(flip="horizontal", rotation=40.0, shift=0.2, zoom=0.2, shear=0.2)
    return PublishedRecipe(Recipe(OptimizerSettings("adam", 1e-3), batch_size=32, augmentation=augmentation))


def simpsons() -> PublishedRecipe:
    """RMSprop as in the Keras example; small rotations, shifts and flips."""
    augmentation = AugmentationSettings(flip="horizontal", rotation=10.0, shift=0.1)
    return PublishedRecipe(Recipe(OptimizerSettings("rmsprop", 1e-4), batch_size=32, augmentation=augmentation))


def fer2013() -> PublishedRecipe:
    augmentation = AugmentationSettings(flip="horizontal", shift=0.1, zoom=0.2)
    return PublishedRecipe(Recipe(OptimizerSettings("adam", 1e-4), batch_size=64, augmentation=augmentation))


def voc2012() -> PublishedRecipe:
    """Adam at Keras's rate; class weights total/count, as positive weights in the loss."""
    weights = WeightSettings("total_over_count")
    return PublishedRecipe(Recipe(OptimizerSettings("adam", 1e-3), batch_size=20, class_weights=weights))
