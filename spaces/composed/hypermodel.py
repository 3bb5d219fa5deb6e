"""Networks and recipes combined into a `Space` for Apertune that is also a HyperModel for KerasTuner's own tuners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import keras_tuner
import numpy as np
from numpy.typing import NDArray

from ...datasets.base import DataSpec
from ..base import OBJECTIVE_LOG, Architecture, Candidate, Declaration, NetworkSpace, Outline, Recipe, RecipeSpace
from .branch_names import BranchNames

# KerasTuner builds a model before it tells the number of epochs; `fit` then lays the schedule out again.
EPOCHS_BEFORE_FIT = 10


class ComposedSpace(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner ships no types
    """A space of networks and of the recipes that may train them."""

    def __init__(self, name: str, network: NetworkSpace, recipe: RecipeSpace, spec: DataSpec) -> None:
        super().__init__(name=name)
        self._network = network
        self._recipe = recipe
        self._spec = spec

    @property
    def hypermodel(self) -> keras_tuner.HyperModel:
        return self

    @property
    def declares_all(self) -> bool:
        return True

    def declarations(self) -> tuple[Declaration, ...]:
        """Returns network and recipe, neither of which builds a layer."""
        return (lambda hp: self._network.declare(hp, self._spec)), (lambda hp: self._recipe.declare(hp, self._spec))

    def without_effect(self, parameters: Sequence[Any]) -> list[Any]:
        return []

    def declare(self, hp: keras_tuner.HyperParameters) -> tuple[Architecture, Recipe]:
        """Returns the settings that the values draw, and declares all parameters on the way."""
        return self._network.declare(hp, self._spec), self._recipe.declare(hp, self._spec)

    def candidate(self, hp: keras_tuner.HyperParameters, *, epochs: int, seed: int) -> Candidate:
        """Builds the network with the seed and completes it by the recipe."""
        architecture, recipe = self.declare(hp)
        keras.utils.set_random_seed(seed)
        network = architecture.build(self._spec)
        return recipe.candidate(network, self._spec, epochs=epochs, seed=seed, fine_tuning=architecture.fine_tuning)

    def outline(self, hp: keras_tuner.HyperParameters) -> Outline:
        """Builds the network without memory for its weights, a third of the time of `candidate`."""
        architecture, recipe = self.declare(hp)
        with keras.StatelessScope(initialize_variables=False):
            network = architecture.without_weights().build(self._spec)
        return Outline(network, recipe.views)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Builds a compiled model for KerasTuner's own tuners.

        The model takes uint8 images and one-hot or multi-hot targets, (n, 1) for a binary task. `BranchNames` explains
        why parameters have other names here than in `candidate`.
        """
        architecture, recipe = self.declare(BranchNames(hp))
        network = architecture.build(self._spec)
        candidate = recipe.candidate(
            network, self._spec, epochs=EPOCHS_BEFORE_FIT, seed=0, fine_tuning=architecture.fine_tuning
        )
        return self._compiled(network, candidate)

    def fit(
        self, hp: keras_tuner.HyperParameters, model: keras.Model, x: Any, y: Any, *, epochs: int = 1, **settings: Any
    ) -> keras.callbacks.History:
        """Trains by the recipe that `hp` holds: its batch size, augmentation, class weights and schedule.

        Validation images are never augmented. A schedule that watches the objective watches the validation accuracy,
        since KerasTuner tells a hypermodel no objective.

        Args:
            hp: The drawn values.
            model: The model that `build` made of them.
            x: Images uint8 (n, height, width, channels).
            y: Labels (n,) or targets (n, outputs).
            epochs: Epochs to train, over which the schedule is laid out.
            settings: Other arguments of `keras.Model.fit`.
        """
        architecture, recipe = self.declare(BranchNames(hp))
        candidate = recipe.candidate(model, self._spec, epochs=epochs, seed=0, fine_tuning=architecture.fine_tuning)
        self._compiled(model, candidate)
        if settings.get("validation_data") is not None:
            images, labels = settings["validation_data"]
            settings["validation_data"] = (images, self._targets(labels))
        settings["callbacks"] = [*(settings.get("callbacks") or ()), _AccuracyAsObjective(), *candidate.callbacks]
        return model.fit(AugmentedBatches(x, self._targets(y), candidate), epochs=epochs, **settings)

    def _compiled(self, network: keras.Model, candidate: Candidate) -> keras.Model:
        accuracy = (
            keras.metrics.CategoricalAccuracy if self._spec.task == "multiclass" else keras.metrics.BinaryAccuracy
        )
        network.compile(candidate.optimizer, loss=candidate.loss, metrics=[accuracy(name="accuracy")])
        if not candidate.optimizer.built:
            # KerasTuner saves weights and optimizer together, and must be able to load both into a fresh model.
            candidate.optimizer.build(network.trainable_variables)
        return network

    def _targets(self, labels: Any) -> NDArray[np.float32]:
        labels = np.asarray(labels)
        if self._spec.task == "multiclass" and labels.ndim == 1:
            labels = np.eye(self._spec.outputs)[labels]
        targets: NDArray[np.float32] = labels.astype(np.float32).reshape(len(labels), -1)
        return targets


class _AccuracyAsObjective(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Tells the callbacks behind it the validation accuracy as the objective."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None and "val_accuracy" in logs:
            logs[OBJECTIVE_LOG] = -logs["val_accuracy"]


class AugmentedBatches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Shuffled batches of (images, targets), augmented before they reach the model, since it holds no augmentation."""

    def __init__(self, images: Any, targets: NDArray[np.float32], candidate: Candidate) -> None:
        super().__init__()
        self._images, self._targets, self._candidate = np.asarray(images), targets, candidate
        self._random = np.random.default_rng(0)
        self._order = self._random.permutation(len(self._images))

    def __len__(self) -> int:
        return -(-len(self._images) // self._candidate.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        size = self._candidate.batch_size
        rows = self._order[index * size : (index + 1) * size]
        batch = self._images[rows], self._targets[rows]
        if self._candidate.augmentation is None:
            return batch
        augmented: tuple[Any, Any] = self._candidate.augmentation(batch, training=True)
        return augmented

    def on_epoch_end(self) -> None:
        self._random.shuffle(self._order)
